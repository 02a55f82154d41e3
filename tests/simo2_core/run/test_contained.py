import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_core.commands import Reason
from simo2_core.compare.carry_out import open_comparison
from simo2_core.compare.plan import make_plan
from simo2_core.errors import RunError
from simo2_core.events import CheckpointSaved, EmbeddingSnapshot, Event, PlotSaved, RunFinished, from_line
from simo2_core.presets import PRESETS
from simo2_core.run.contained import FILES, FOLDERS, is_inside, open_to_append, open_to_read
from simo2_core.run.directory import RunDirectory, find_run, list_runs
from simo2_core.run.event_file import EventLog
from simo2_core.run.log import record
from simo2_core.run.summary import summarise
from simo2_tui.cli.main import app

CONFIG = PRESETS["digits"].config
SAID = PlotSaved(step=1, path="plots/pca.png")

NESTED = (
    "checkpoints/5", "checkpoints/5/state", "checkpoints/5/manifest.json", "embeddings/5.npz",
    "embeddings/thumbnails.npz", "plots/pca.png", "control/1.json", "eval/5", "eval/5/eval.json", "wandb",
    "wandb/simo2-run-id",
)  # fmt: skip

Link = Callable[[str], Path]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody's, with what each of our writers would delete or overwrite."""
    folder = tmp_path / "outside"
    for name in ("5", "5/state"):
        (folder / name).mkdir(parents=True)
    for name in ("config.json", "x.json", "5.npz", "pca.png", "simo2-run-id", ".a.b", "5/manifest.json", "eval.json"):
        (folder / name).write_text("precious")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs", "one", CONFIG)


def link(run: RunDirectory, name: str, outside: Path, *, to: str = "") -> Path:
    path = run.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    target = outside / to if to else (outside if "." not in path.name.lstrip(".") else outside / "x.json")
    path.symlink_to(target)
    return path


def contents(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}


@pytest.mark.parametrize("name", [*FILES, *FOLDERS, *NESTED])
def test_a_link_in_a_run_is_refused_by_name_and_never_followed(run: RunDirectory, outside: Path, name: str) -> None:
    run.events_path.write_text(SAID.to_line() + "\n")
    before = contents(outside)
    path = link(run, name, outside, to="config.json" if name == "config.json" else "")
    refused = f"{path} is a link to {outside}"
    for touch in (
        lambda: RunDirectory.open(run.path),
        lambda: find_run("latest", run.path.parent),
        lambda: find_run("one", run.path.parent),
        lambda: list(RunDirectory(run.path).events()),
        lambda: RunDirectory(run.path).config,
        lambda: RunDirectory(run.path).own().__enter__(),
    ):
        with pytest.raises(RunError) as caught:
            touch()
        assert str(caught.value).startswith(refused)
    assert summarise(list_runs(run.path.parent)[0]).problem.startswith(refused)
    assert contents(outside) == before


COMMANDS = (
    "resume one", "train --resume one", "plot one", "eval one", "report one", "log one --tensorboard out",
    "embed one --out a.npz", "export one --out enc", "finetune one", "runs diff one two",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["lock", "train.log", "control", "checkpoints"])
def test_every_command_that_opens_a_run_refuses_it(
    run: RunDirectory, outside: Path, name: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunDirectory.create(run.path.parent, "two", CONFIG)
    before = contents(outside)
    path = link(run, name, outside, to="x.json" if name in ("lock", "train.log") else "")
    monkeypatch.chdir(run.path.parents[1])
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 1, done.output
    assert f"{path.relative_to(run.path.parents[1])} is a link to {outside}" in done.output
    assert len(done.output.splitlines()) == 1, done.output
    assert contents(outside) == before


def test_a_list_of_runs_says_which_link_it_refused(
    run: RunDirectory, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(run, "events.jsonl", outside)
    monkeypatch.chdir(run.path.parents[1])
    done = CliRunner().invoke(app, ["runs"])
    assert done.exit_code == 0
    assert "runs/one/events.jsonl is a link to" in done.output


@pytest.mark.parametrize("name", ["events.jsonl", "train.log", "config.json", "control/1.json"])
def test_a_pipe_in_a_run_is_refused_and_nobody_waits_for_it(run: RunDirectory, name: str) -> None:
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    with pytest.raises(RunError, match="is no file and no folder, but a pipe"), RunDirectory(run.path).own():
        pass
    for opened in (open_to_read, open_to_append):
        with pytest.raises(OSError, match=r"Invalid argument|No such device"):
            opened(run.path / name)


def test_a_link_that_comes_after_the_look_is_not_followed_either(run: RunDirectory, outside: Path) -> None:
    before = contents(outside)
    link(run, "train.log", outside, to="x.json")
    list(record([SAID], run))
    assert (run.path / "train.log").is_symlink()
    link(run, "events.jsonl", outside, to="x.json")
    with pytest.raises(RunError, match="Too many levels of symbolic links"):
        EventLog(run.events_path)
    assert contents(outside) == before


def test_what_is_another_name_of_somebodys_file_is_replaced_and_not_written_to(
    run: RunDirectory, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text(SAID.to_line() + "\n")
    for path in (run.events_path, run.log_path):
        path.hardlink_to(precious)
    log = EventLog(run.events_path)
    log.write(SAID)
    log.close()
    assert list(run.events()) == [SAID, SAID]
    assert list(record([SAID], run)) == [SAID]
    assert run.log_path.read_text().startswith(SAID.to_line())
    assert (precious.read_text(), precious.stat().st_nlink) == (SAID.to_line() + "\n", 1)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "plots/../../x", "..", "a\0b"])
@pytest.mark.parametrize(
    "event",
    [
        PlotSaved(path="x"),
        CheckpointSaved(path="x", best=False, seconds=0.0),
        EmbeddingSnapshot(path="x", images=1),
        RunFinished(reason=Reason.COMPLETED, message="", checkpoint="x", seconds={}),
    ],
)
def test_a_path_in_an_event_stays_in_its_run(event: Event, path: str) -> None:
    data = event.to_json()
    assert from_line(json.dumps(data)) == event
    key = "checkpoint" if isinstance(event, RunFinished) else "path"
    with pytest.raises(RunError, match="leads out of its run"):
        from_line(json.dumps({**data, key: path}))
    assert not is_inside(path)


def test_a_comparison_of_a_stranger_is_not_followed_out_of_either(tmp_path: Path, outside: Path) -> None:
    plan = make_plan(CONFIG, ["simo2", "supcon"], [], 2, None)
    folder = open_comparison(tmp_path, "compare", plan)
    (folder / "runs").symlink_to(outside)
    with pytest.raises(RunError, match="runs is a link to"):
        open_comparison(tmp_path, "compare", plan)


def test_links_in_what_simo2_does_not_touch_are_the_users_own(run: RunDirectory, outside: Path) -> None:
    (run.path / "notes").symlink_to(outside)
    (run.path / "wandb").mkdir()
    (run.path / "wandb" / "latest-run").symlink_to("run-1")
    with RunDirectory.open(run.path).own():
        pass
