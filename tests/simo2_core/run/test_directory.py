import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simo2_core.errors import ConfigError, RunError, RunLockedError
from simo2_core.events import PlotSaved, WarningRaised
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory, find_run, list_runs
from simo2_core.run.event_file import EventLog
from simo2_core.run.files import write_whole

CONFIG = PRESETS["digits"].config


def test_a_name_that_cannot_be_found_again_is_refused(tmp_path: Path) -> None:
    for name, said in (("latest", "what every command calls the newest run"), ("é" * 101, "at most 200 bytes")):
        with pytest.raises(ConfigError, match=said):
            RunDirectory.create(tmp_path, name, CONFIG)
    assert RunDirectory.create(tmp_path, "x" * 200, CONFIG).path.is_dir()


def test_a_name_is_the_same_in_each_of_its_unicode_forms(tmp_path: Path) -> None:
    composed, taken_apart = "caf\xe9", "cafe\u0301"
    run = RunDirectory.create(tmp_path, taken_apart, CONFIG)
    assert run.name == composed
    assert {find_run(name, tmp_path).path for name in (composed, taken_apart)} == {run.path}
    with pytest.raises(RunError, match="exists already"):
        RunDirectory.create(tmp_path, composed, CONFIG)


def test_a_run_keeps_its_settings_and_facts(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG, {"fingerprint": "abc"})
    again = RunDirectory.open(run.path)
    assert again.config == CONFIG
    assert again.facts == {"fingerprint": "abc"}
    assert {"checkpoints", "embeddings", "plots", "control"} <= {path.name for path in run.path.iterdir()}


def test_two_starts_in_the_same_second_get_two_names(tmp_path: Path) -> None:
    names = {RunDirectory.create(tmp_path, None, CONFIG).name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("digits-") for name in names)


def test_a_taken_name_is_refused_with_the_cure(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "one", CONFIG)
    with pytest.raises(RunError, match="--resume"):
        RunDirectory.create(tmp_path, "one", CONFIG)


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "a b", "a\nb", "."])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name is"):
        RunDirectory.create(tmp_path, name, CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="--run-dir"):
        RunDirectory.create(tmp_path / "file" / "runs", None, CONFIG)


def test_find_run_takes_a_name_a_path_a_checkpoint_or_latest(tmp_path: Path) -> None:
    old = RunDirectory.create(tmp_path, "old", CONFIG)
    new = RunDirectory.create(tmp_path, "new", CONFIG)
    os.utime(old.config_path, (1, 1))
    checkpoint = old.checkpoints / "400"
    checkpoint.mkdir()
    assert find_run("latest", tmp_path).path == new.path
    assert find_run("old", tmp_path).path == old.path
    assert find_run(str(old.path), Path("elsewhere")).path == old.path
    assert find_run(str(checkpoint), Path("elsewhere")).path.samefile(old.path)
    assert [run.name for run in list_runs(tmp_path)] == ["new", "old"]
    for wrong in ("nothing", str(tmp_path)):
        with pytest.raises(RunError):
            find_run(wrong, tmp_path)


@pytest.mark.parametrize("error", [ConfigError("wrong"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_run_that_never_began_leaves_no_folder(tmp_path: Path, error: BaseException) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    with pytest.raises(type(error)), run.own():
        raise error
    assert list(tmp_path.iterdir()) == [], "and its name is free again"


def test_a_run_that_has_something_to_say_keeps_its_folder(tmp_path: Path) -> None:
    began, resumed = (RunDirectory.create(tmp_path, name, CONFIG) for name in "ab")
    began.events_path.write_text(PlotSaved(step=1, path="a").to_line() + "\n")
    with pytest.raises(ConfigError), began.own():
        raise ConfigError("wrong")
    resumed = RunDirectory.open(resumed.path)
    with pytest.raises(ConfigError), resumed.own():
        raise ConfigError("wrong")
    assert len(list_runs(tmp_path)) == 2


def test_latest_of_no_runs_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="simo2 train"):
        find_run("latest", tmp_path / "runs")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"config": {"format": 1, "steps": 0}}', "[" * 100_000])
def test_a_damaged_config_is_a_run_error(tmp_path: Path, text: str) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    run.config_path.write_text(text)
    with pytest.raises(RunError, match=r"config\.json"):
        _ = run.config


def test_a_torn_last_line_is_passed_over_and_cut_off(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    first, second = PlotSaved(step=1, path="a"), PlotSaved(step=2, path="b")
    run.events_path.write_text(first.to_line() + "\n" + second.to_line()[:20])
    assert list(run.events()) == [first]
    log = EventLog(run.events_path)
    log.write(second)
    log.close()
    assert list(run.events()) == [first, second]


def test_damage_inside_the_log_costs_its_line_alone_and_is_told(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    first, second = PlotSaved(step=1, path="a"), PlotSaved(step=2, path="b")
    run.events_path.write_text(f"{first.to_line()}\nnonsense\n{second.to_line()}\n")
    *told, warning = run.events()
    assert told == [first, second]
    assert isinstance(warning, WarningRaised)
    assert (warning.code, warning.step) == ("log-damaged", 2)
    assert f"line 2 of {run.events_path} cannot be read, and is left out." == warning.message
    run.events_path.write_text(f"{{\n{first.to_line()}\n\n[]\n")
    assert "3 lines (the first is line 1)" in list(run.events())[-1].message  # type: ignore[attr-defined]
    run.events_path.unlink()
    run.events_path.mkdir()
    with pytest.raises(RunError, match="Is a directory while reading"):
        list(run.events())


def test_a_run_that_lost_its_settings_is_still_one(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    run.config_path.unlink()
    assert list_runs(tmp_path) == [], "there is nothing to go on from"
    (run.checkpoints / "400").mkdir()
    assert [found.name for found in list_runs(tmp_path)] == ["one"]
    with pytest.raises(RunError, match=r"config\.json is missing\. simo2 resume .*one takes the settings"):
        _ = find_run("one", tmp_path).config


def test_a_run_appears_with_its_settings_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def killed(path: Path, _: bytes) -> None:
        seen.append(path)
        assert list_runs(tmp_path) == []
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("simo2_core.run.directory.write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            RunDirectory.create(tmp_path, "one", CONFIG)
    assert len(seen) == 1
    (tmp_path / ".one.7-7").mkdir()  # what kill -9 would leave
    (tmp_path / ".one.7-7" / "config.json").write_text("{}")
    assert list_runs(tmp_path) == []
    assert RunDirectory.create(tmp_path, "one", CONFIG).config == CONFIG, "the name is free"


_HOLD = """
import sys, time
from pathlib import Path
from simo2_core.run.directory import RunDirectory
with RunDirectory.open(Path(sys.argv[1])).own():
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_owner_and_a_dead_one_is_taken_over(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    child = subprocess.Popen([sys.executable, "-c", _HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert run.owned()
    with pytest.raises(RunLockedError, match=f"process {child.pid} on "), run.own():
        pass
    child.kill()
    child.communicate()
    assert not run.owned()
    with run.own():
        assert run.owned()


def _write_for_ever(path: Path) -> None:
    for i in range(10**9):
        write_whole(path, json.dumps({"i": i, "pad": "x" * 50_000}).encode())


def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for wait in (0.05, 0.11, 0.17):
        writer = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(path,))
        writer.start()
        while not path.exists():
            time.sleep(0.01)
        time.sleep(wait)
        writer.kill()
        writer.join()
        assert len(json.loads(path.read_bytes())["pad"]) == 50_000
