"""Every option and argument of every command, given what nobody means: refused in one line, or done without harm.

The commands are walked by program, so that a new option is covered by itself. Where a run, a measurement or a screen
would begin, it does not. A pipe stands in for a device, which a mistake would replace for good.
"""

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, get_args

import pytest
import typer
import typer.main
from click.testing import CliRunner

import simo2_core
from simo2_core.config import all_settings
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.main import app
from tests.simo2_tui.recorded import write_run

LONG = "x" * 5000
NUMBERS = ("", " ", "-1", "1e400", "9" * 30, "nan", "inf", LONG)
WORDS = ("../..", "pipe", "pipe/x", "[bold]", "é", "a\x07b", "\x1b[31mred")
ODD = (*NUMBERS, "0", *WORDS)
IN_TURN = ("", "-1", "9" * 30, "nan", "a\x07b")
"""For settings, of which there are many; `test_bounds` holds their numbers to their bounds."""

SETTINGS = {item.name: item for item in all_settings()}
ROOT: Any = typer.main.get_command(app)

MEANT = {
    "data info": ["cifar10"],
    "data prepare": ["cifar10"],
    "data clear": ["--yes"],
    "embed": ["demo", "--out", "o.npz"],
    "export": ["demo", "--out", "o"],
    "log": ["demo", "--tensorboard", "tb"],
    "runs diff": ["demo", "demo"],
    **{name: ["demo"] for name in ("resume", "finetune", "attach", "plot", "eval", "clean", "report")},
}
"""What a command needs beside the value that is tried."""

BESIDE = {
    "views_split": ["--labels", "none"],
    "coordinator": ["--distributed"],
    "processes": ["--distributed"],
    "process_id": ["--distributed"],
    "seeds": ["--compare-scratch"],
}
"""What an option needs."""

TEXT = {"text", "project", "tags", "wandb_project", "wandb_tags"}
PATHS = {"run_dir", "out", "tensorboard"}
LOOKED_AT_LATER = {"data", "data_dir", "image_key", "label_key", "train_split", "views_split", "test_split", "dataset"}
"""By what reads the images, which does not begin here: see `test_load`, and the tests of each source."""


def commands(group: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


DIGITS = PRESETS["digits"].config
BEGUN = 77
"""The exit code of a command that took what it was given."""


def begin(*_: Any, **__: Any) -> NoReturn:
    raise typer.Exit(BEGUN)


META = {"image_shape": [8, 8, 1], "config": DIGITS.to_json()}
REPLACED: dict[str, Any] = {
    "simo2_core.session.RunSession.__enter__": begin,
    "simo2_tui.console.require_terminal": lambda: None,
    "simo2_tui.console.split": begin,
    "simo2_core.bench.measure.measure": begin,
    "simo2_core.bench.synthetic.synthetic_dataset": lambda *_: None,
    "simo2_core.compare.carry_out.count_devices": lambda: 1,
    "simo2_tui.cli.compare.decode_images": begin,
    "simo2_tui.cli.finetune.decode_images": begin,
    "simo2_tui.cli.distributed.own_output": begin,
    "simo2_core.evaluation.restore.find_checkpoint": lambda folder, _: folder / "40",
    "simo2_core.evaluation.assess.assess": begin,
    "simo2_core.export.embeddings.dataset_for": begin,
    "simo2_core.clean.find.dataset_for": begin,
    "simo2_core.checkpoints.exported.load": begin,
    "simo2_core.analysis.render.render_each": begin,
    "simo2_tui.cli.plot._snapshot": lambda *_: None,
    "simo2_core.report.collect.collect": lambda run: None,
    "simo2_core.report.page.render_page": lambda _: "a page",
    "simo2_core.track.child.tell": begin,
    "simo2_core.data.prepare._run": begin,
    "simo2_core.trackers.service.Service.require_client": lambda _: None,
}


def _users_of(name: str) -> Iterator[ModuleType]:
    """The modules that have the name, all imported: one that was imported later would keep what replaces it."""
    house = Path(simo2_core.__file__).parents[1]
    for path in (*house.glob("simo2_core/**/*.py"), *house.glob("simo2_tui/**/*.py")):
        if name in path.read_text():
            module = importlib.import_module(".".join(path.relative_to(house).with_suffix("").parts))
            if hasattr(module, name):
                yield module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunDirectory]:
    """A run called demo, in `runs/` of the working directory; beside that a pipe."""
    top = tmp_path_factory.mktemp("odd")
    here = top / "two" / "below"  # so that ../.. is ours as well
    here.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        for variable in ("SIMO2_CACHE", "TFDS_DATA_DIR", "HOME"):
            patch.setenv(variable, str(top / variable.lower()))
        for place, by in REPLACED.items():
            patch.setattr(place, by)
        for module in _users_of("read_meta"):
            patch.setattr(module, "read_meta", lambda _: META)
        made = write_run(Path("runs"), "demo", upto=40)
        (made.checkpoints / "40").mkdir()
        os.mkfifo("pipe")
        yield made


def _tries() -> Iterator[tuple[list[str], str, str]]:
    """The words of a command line, the name of what is tried, and its value."""
    offering: dict[str, list[str]] = {}
    for path, command in commands():
        for parameter in command.params:
            if parameter.name in SETTINGS and parameter.param_type_name == "option":
                offering.setdefault(parameter.name, []).append(" ".join(path))
    tried_by = {name: lines[turn % len(lines)] for turn, (name, lines) in enumerate(offering.items())}
    assert offering.keys() == SETTINGS.keys()
    for path, command in commands():
        line = " ".join(path)
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                meant = MEANT.get(line, [])[line != "data clear" :]
                yield from (([*path, *meant, "--", value], parameter.name, value) for value in ODD)
            elif not parameter.is_flag and tried_by.get(parameter.name, line) == line:
                words = [*path, *MEANT.get(line, []), *_beside(parameter.name), parameter.opts[0]]
                values = IN_TURN if parameter.name in SETTINGS else ODD
                yield from (([*words, value], parameter.name, value) for value in values)


def _beside(name: str) -> list[str]:
    if name.startswith("wandb_"):
        return ["--wandb"]
    item = SETTINGS.get(name)
    if item is not None and item.kind in ("objective", "encoder") and item.parts:
        return [f"--{item.kind}", item.parts[0]]
    return BESIDE.get(name, [])


def _may(name: str, value: str) -> bool:
    """Whether a command may take a value."""
    if not value.strip():
        return False
    if name in TEXT | LOOKED_AT_LATER:
        return True
    if name in PATHS:
        return value.isprintable() and not value.startswith("-") and value != LONG
    if name == "name":
        return re.fullmatch(r"\w+", value) is not None and value != LONG
    if name in ("names", "preset"):
        return value in ("nan", "inf", "pipe", "pipe/x", "1e400")  # TFDS has the last word on its names
    if name in SETTINGS and value in ("-1", "9" * 30):
        return float in (SETTINGS[name].type, *get_args(SETTINGS[name].type)) and not SETTINGS[name].bounds.refusal(
            float(value)
        )
    return value == "0"


def test_no_value_of_an_option_is_unexpected_or_taken_without_sense(run: RunDirectory) -> None:
    here = Path.cwd()
    before = sorted(here.iterdir()), {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    runner, wrong, tries = CliRunner(), [], list(_tries())
    for words, name, value in tries:
        result = runner.invoke(ROOT, words, prog_name="simo2")
        begun = result.exit_code == BEGUN
        what = f"{' '.join(words)[:120]!r}: {result.output[:300]!r} {result.exception!r}"
        if "Traceback" in result.output or "unexpected " in result.stderr:
            wrong.append(f"unexpected: {what}")
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.output):
            wrong.append(f"raw: {what}")
        if result.stderr.startswith("simo2: ") and (result.stderr.count("\n") > 1 or len(result.stderr) > 700):
            wrong.append(f"more than a line: {what}")
        if (begun or not result.exit_code) and not _may(name, value):
            wrong.append(f"taken: {what}")
        for path in set(here.iterdir()) - set(before[0]):
            assert begun or not result.exit_code, f"left behind: {what}"
            _remove(path)
        for path in set(run.path.parent.iterdir()) - {run.path}:
            _remove(path)
    assert wrong == [], "\n".join(wrong)
    assert Path("pipe").is_fifo()
    (run.path / "report.html").unlink(missing_ok=True)
    after = sorted(here.iterdir()), {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert after == before
    assert len(tries) > 1000


def _remove(path: Path) -> None:
    for below in sorted(path.rglob("*"), reverse=True) if path.is_dir() else ():
        below.rmdir() if below.is_dir() else below.unlink()
    path.rmdir() if path.is_dir() else path.unlink()
