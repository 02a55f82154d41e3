"""`simo2 runs`: what has been trained, and in what runs differ."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.bounds import shown
from simo2_core.errors import ConfigError, did_you_mean
from simo2_core.visible import visible
from simo2_tui.cli.command import App
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory

app = App(invoke_without_command=True, help="List runs, and compare their settings.")

_SORTS = ("time", "name", "state", "steps", "loss", "validation", "test", "size")
_MISSING = "-"

FilterOption = Annotated[
    str | None,
    typer.Option("--filter", metavar="TEXT", help="Only runs with this in name, data set or objective."),
]
StateOption = Annotated[
    str | None, typer.Option(metavar="STATE", help="Only runs in this state, such as completed or running.")
]
SortOption = Annotated[str, typer.Option(metavar="COLUMN", help=f"By {', '.join(_SORTS)}; the best or newest first.")]


@app.callback()
def runs_command(
    context: typer.Context,
    text: FilterOption = None,
    state: StateOption = None,
    sort: SortOption = "time",
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """List the runs, the newest first; `simo2 runs diff A B` says in what two differ."""
    if context.invoked_subcommand is None:
        _list(text, state, sort, run_dir, as_json)
        return
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE":
            command, option = context.invoked_subcommand, parameter.opts[0]
            raise ConfigError(
                f"{option} is given before {command}, where it means nothing. Give it after {command}, or leave it "
                f"out: simo2 runs {command} --help."
            )


@app.command("list")
def list_command(
    text: FilterOption = None,
    state: StateOption = None,
    sort: SortOption = "time",
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """List the runs: state, steps, accuracies, size on disk, and when they last said something."""
    _list(text, state, sort, run_dir, as_json)


def _list(text: str | None, state: str | None, sort: str, run_dir: Path, as_json: bool) -> None:
    from simo2_core.run.directory import list_runs
    from simo2_core.run.state import State

    if sort not in _SORTS:
        raise ConfigError(f"sort is {sort!r}; it must be one of {', '.join(_SORTS)}.{did_you_mean(sort, _SORTS)}")
    rows = [_row(run) for run in list_runs(run_dir)]
    states = sorted({row["state"] for row in rows} | ({"running"} if any(row["running"] for row in rows) else set()))
    known = ("running", *State)
    if state is not None and state not in (states or known):
        are = f"they are {', '.join(states)}" if states else f"it can be {', '.join(known)}"
        raise ConfigError(f"no run is {shown(state)}; {are}.{did_you_mean(state, states or known)}")
    wanted = [row for row in rows if _in_state(row, state) and _matches(row, text)]
    if sort in ("name", "state"):
        wanted.sort(key=lambda row: row[sort])
    else:  # the most first, but the least loss; runs that cannot say last
        sign = 1 if sort == "loss" else -1
        wanted.sort(key=lambda row: (row[sort] is None, sign * (row[sort] or 0)))
    if as_json:
        for row in wanted:
            print(json.dumps(row))
        print(json.dumps({"runs": len(wanted)}))
    elif not wanted:
        other = f" ({len(rows)} others)" if rows else ". Start one with: simo2 train --preset digits"
        print_visible(f"{run_dir} holds no such run{other}.")
    else:
        _print_rows(wanted)


def _row(run: RunDirectory) -> dict[str, Any]:
    from simo2_core.presets import data_name
    from simo2_core.run.summary import size_on_disk, summarise

    summary = summarise(run)
    row: dict[str, Any] = {
        "name": run.name,
        "state": summary.state.value,
        "running": summary.state.running,
        "silent_seconds": summary.silent_for,
        "owner": str(summary.owner) if summary.state.running else None,
        "step": summary.step,
        "steps": summary.steps,
        "validation": max(summary.knn, default=None),
        "test": summary.test_knn,
        "loss": summary.loss,
        "size": size_on_disk(run),
        "time": summary.time or None,
    }
    config = summary.config
    if config is None:
        return {**row, "data": None, "objective": None, "problem": summary.problem}
    return {**row, "data": data_name(config), "objective": config.objective.name}


def _in_state(row: Mapping[str, Any], state: str | None) -> bool:
    """Whether the row is in the state; `running` is any in which a process is at work on the run."""
    return state in (None, row["state"]) or (state == "running" and row["running"])


def _matches(row: Mapping[str, Any], text: str | None) -> bool:
    return text is None or any(text.lower() in str(row[key]).lower() for key in ("name", "data", "objective"))


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from simo2_core.run.summary import told_steps
    from simo2_tui.cli.printing import make_console

    console = make_console()
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for column in ("state", "steps", "val. kNN", "test kNN", "loss", "size", "said"):
        table.add_column(column, justify="left" if column == "state" else "right", no_wrap=True)
    table.add_column("run", overflow="fold")
    for row in rows:
        table.add_row(
            row["state"],
            told_steps(row["step"], row["steps"]) or _MISSING,
            *(_MISSING if row[key] is None else f"{row[key]:.2%}" for key in ("validation", "test")),
            _MISSING if row["loss"] is None else f"{row['loss']:.4g}",
            _size(row["size"]),
            _age(row["time"]),
            Text(visible(row["name"])),
        )
    if console.is_terminal:
        console.print(table)
    else:  # whole names in a pipe, however long
        make_console(file=sys.stdout, width=1000).print(table, soft_wrap=True)
    for row in rows:
        if "problem" in row:
            print_visible(f"simo2: {row['problem']}", error=True)


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


def _age(when: float | None) -> str:
    if when is None:
        return _MISSING
    seconds = max(0.0, time.time() - when)
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds)}s"


@app.command("diff")
def diff_command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Two runs or more: names, paths or latest.")],
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say in what runs differ: settings, environment and data, and what they reached."""
    from simo2_core.run.difference import facts_apart, settings_apart
    from simo2_core.run.directory import find_run

    if len(runs) < 2:
        raise ConfigError("one run differs from nothing; name two or more.")
    found = [find_run(text, run_dir) for text in runs]
    rows = [_row(run) for run in found]
    reached = {
        name: tuple(_shown(name, row[name]) for row in rows) for name in ("state", "step", "loss", "validation", "test")
    }
    apart = {
        "settings": settings_apart([run.config for run in found]),
        "environment": facts_apart([run.facts for run in found]),
        "reached": reached,
    }
    if as_json:
        print(json.dumps({"runs": [str(run.path) for run in found], **apart}))
        return
    for heading, table in apart.items():
        if table:
            _print_apart(heading, table, [run.name for run in found])
        else:
            print_visible(f"{heading}: the same")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return _MISSING
    if name in ("validation", "test"):
        return f"kNN {value:.2%}"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _print_apart(heading: str, table: Mapping[str, tuple[str, ...]], names: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from simo2_tui.cli.printing import make_console

    console = make_console()
    lines = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    lines.add_column(Text(heading), no_wrap=True)
    for name in names:
        lines.add_column(Text(visible(name)), overflow="fold")
    for name, values in table.items():
        lines.add_row(*(Text(visible(text)) for text in (name, *values)))
    console.print(lines)
    print()
