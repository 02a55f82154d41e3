"""A stranger's tracking service: a few lines in a file of its own, told events in a process of its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_core import parts
from simo2_core.errors import ConfigError
from simo2_core.run.directory import RunDirectory
from simo2_core.track.outlet import Tracking
from simo2_core.trackers.service import choose_service, from_line
from simo2_core.trackers.tensorboard import Tensorboard
from simo2_core.trackers.wandb import Wandb
from simo2_tui.cli.main import app
from simo2_tui.cli.own_parts import take_parts
from tests.simo2_tui.recorded import write_run

MINE = '''
from dataclasses import dataclass
from pathlib import Path

from simo2_core.settings import setting
from simo2_core.trackers.series import series
from simo2_core.trackers.service import Service
from simo2_core.trackers.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class Lines(Service):
    """A line for each number, in a file."""

    file: str = setting("lines.txt", "its name, in the run's folder")
    fail_at: int = setting(0, "the step at which it gives up; 0 for none", at_least=0, at_most=100)

    def open(self, run):
        return Writer(run.path / self.file, self.fail_at)


class Writer(Tracker):
    def __init__(self, path, fail_at):
        self.where, self.fail_at, self.file = str(path), fail_at, path.open("w")

    def write(self, event):
        if self.fail_at and event.step >= self.fail_at:
            raise OSError("no more\\nof it")
        for step, row in series(event):
            print(step, *sorted(row), file=self.file)

    def close(self):
        self.file.close()
        if self.fail_at:
            raise ValueError("which is not what went wrong first")
'''


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return write_run(tmp_path / "runs", "demo", upto=80, finish="completed")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    monkeypatch.setenv(parts.VARIABLE, "")
    parts.allow(f"{path}:Lines")
    return f"{path}:Lines"


@pytest.mark.parametrize(
    "settings",
    [{"project": "a/b"}, {"project": "x" * 129}, {"project": "a\x07"}, {"tags": "good," + "x" * 65}, {"tags": "a\nb"}],
)
def test_what_wandb_would_refuse_later_is_refused_before_the_run(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"W&B takes"):
        Wandb(**settings)  # type: ignore[arg-type]
    assert Wandb(project="my project", tags="one, zwei-é").each_tag == ["one", "zwei-é"]


def test_it_is_told_while_a_run_trains(run: RunDirectory, mine: str) -> None:
    said: list[str] = []
    events = list(run.events())
    with Tracking(run, [choose_service(f"{mine}:file=told.txt")], said.append) as tracking:
        assert list(tracking.watch(events)) == events
    assert said == [f"mine.py:Lines: {run.path / 'told.txt'}"]
    lines = (run.path / "told.txt").read_text().splitlines()
    assert any(line.startswith("80 ") and "test/knn_projection" in line for line in lines)
    assert sum("loss/total" in line for line in lines) == 80


def test_one_that_fails_says_how_to_tell_it_again(run: RunDirectory, mine: str) -> None:
    said: list[str] = []
    with Tracking(run, [choose_service(f"{mine}:fail_at=5")], said.append) as tracking:
        list(tracking.watch(run.events()))
    line = next(number for number, text in enumerate(MINE.splitlines(), start=1) if "of it" in text)
    assert said == [
        f"mine.py:Lines: OSError: no more (mine.py, line {line}); its traceback is in {run.log_path}. "
        f"Tell it again with: simo2 log {run.path} --tracker {mine}:fail_at=5"
    ]
    assert "Traceback (most recent call last)" in run.log_path.read_text()


def test_a_run_is_told_later_by_the_command_that_names_it(run: RunDirectory, mine: str, tmp_path: Path) -> None:
    words = take_parts(["log", "demo", "--run-dir", str(tmp_path / "runs"), "--track", f"{mine}:file=later", "--json"])
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["told"] == {"mine.py:Lines": str(run.path / "later")}
    assert (run.path / "later").read_text().count("loss/total") == 80


def test_a_comparison_with_scratch_that_would_not_be_told_is_refused(run: RunDirectory, mine: str) -> None:
    at = ["finetune", "demo", "--run-dir", str(run.path.parent), "--tracker", mine]
    result = CliRunner().invoke(app, take_parts([*at, "--compare-scratch"]))
    assert (result.exit_code, "--compare-scratch and tracking by" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nothing", "there is no tracker 'nothing'"),
        ("wandb:mode=sometimes", "one of online, offline"),
        ("other.py:Lines", "neither installed nor named"),
        ("tensorboard:place=x", "it has folder"),
        ("", "tracker is ''"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_begins(named: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        choose_service(named)
    result = CliRunner().invoke(app, ["train", "--run-dir", str(tmp_path), "--tracker", named])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_service_travels_as_one_line(tmp_path: Path, mine: str) -> None:
    services = (
        Wandb(mode="offline", tags="a, b", checkpoints=True),
        Tensorboard(folder=str(tmp_path / "x")),
        choose_service(f"{mine}:file=f.txt"),
    )
    for service in services:
        assert from_line(service.to_line()) == service
        assert "\n" not in service.to_line()
    assert services[0].each_tag == ["a", "b"]  # type: ignore[attr-defined]
