import json
from pathlib import Path

import pytest

from simo2_core.data.located import absolute, absolute_paths
from simo2_core.errors import DataError
from simo2_core.presets import PRESETS, config_for
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.resume import find_resumable


def begin(folder: Path, dataset: str, **more: str) -> RunDirectory:
    config = PRESETS["digits"].config.replace({"dataset": dataset, **more})
    run = RunDirectory.create(folder, "one", config)
    run.write_config(config, {"paths": absolute_paths(config)})
    return run


@pytest.mark.parametrize("typed", ["./photos", "photos", "../here/photos", "~/photos"])
def test_a_run_finds_its_images_from_wherever_the_next_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    home, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    (home / "photos").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    run = begin(tmp_path / "runs", typed, data_dir="./sets")
    monkeypatch.chdir(elsewhere)
    config = find_resumable(str(run.path), Path("runs"), {})[0]
    assert Path(config.data.dataset).samefile(home / "photos")
    assert config.data.data_dir == f"{home}/sets"
    run.write_config(config, {"more": 1, "paths": absolute_paths(config)})  # as going on does
    body = json.loads(run.config_path.read_text())
    assert body["config"]["data"]["dataset"] == typed, "what was typed stays"
    assert body["facts"]["paths"][typed] == config.data.dataset
    assert run.config == config
    moved = config.replace({"dataset": str(elsewhere)})
    run.write_config(moved, {"paths": absolute_paths(moved)})
    assert run.config == moved
    assert typed not in run.facts["paths"]


def test_a_path_that_was_edited_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    run = begin(tmp_path / "runs", "./photos")
    body = json.loads(run.config_path.read_text())
    del body["sha256"]
    body["config"]["data"]["dataset"] = "/other"
    run.config_path.write_text(json.dumps(body))
    assert run.config.data.dataset == "/other"


def test_names_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").mkdir()
    for name in ("digits", "cifar10", "mnist"):
        assert absolute_paths(config_for(name)) == {}
    assert absolute(config_for("./cifar10")).data.dataset == str(tmp_path / "cifar10")


def test_images_that_have_moved_are_named_with_the_way_to_go_on(tmp_path: Path) -> None:
    from simo2_core.data.load import load_dataset

    message = f"{tmp_path}/gone is no folder.*simo2 resume RUN --dataset NEW goes on"
    with pytest.raises(DataError, match=message):
        load_dataset(config_for(str(tmp_path / "gone")).data)
