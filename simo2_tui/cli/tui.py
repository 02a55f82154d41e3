"""`simo2 tui` and `simo2 attach`: the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from simo2_core.errors import ConfigError, did_you_mean
from simo2_core.trackers.service import Service
from simo2_tui.cli.options import DEFAULT_RUN_DIR, RunDirOption, with_settings
from simo2_tui.cli.tracking import with_tracking

THEMES = ("dark", "light", "contrast")

AsciiOption = Annotated[
    bool | None,
    typer.Option("--ascii/--unicode", help="Draw in ASCII; by default where terminal or locale show nothing else."),
]
ThemeOption = Annotated[str, typer.Option(help="dark, light or contrast.")]
BudgetOption = Annotated[
    int, typer.Option("--refresh", min=500, max=10**9, help="Bytes a second that the screen may send over the link.")
]


def _tui(
    preset: Annotated[str | None, typer.Argument(help="The preset to begin with: see simo2 presets.")] = None,
    *,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder; by default preset and time.")] = None,
    ascii_only: AsciiOption = None,
    theme: ThemeOption = "dark",
    refresh: BudgetOption = 8000,
    services: Sequence[Service],
    settings: Mapping[str, Any],
) -> None:
    """Choose a preset, train it and watch the embedding form, in the terminal.

    The options under Tracking hold for every run that is trained here.
    """
    from simo2_tui.console import run_console

    code = run_console(
        preset,
        settings,
        run_dir,
        name=name,
        services=services,
        ascii_only=ascii_only,
        theme=_theme(theme),
        budget=refresh,
    )
    raise typer.Exit(code)


tui_command = with_settings(with_tracking(_tui))


def attach_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, a name, or latest.")] = "latest",
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    read_only: Annotated[bool, typer.Option("--read-only", help="Watch only: no key commands the run.")] = False,
    ascii_only: AsciiOption = None,
    theme: ThemeOption = "dark",
    refresh: BudgetOption = 8000,
) -> None:
    """Watch and steer a run that another process trains, or replay one that has ended."""
    from simo2_core.run.directory import find_run
    from simo2_tui.console import attach_console

    found = find_run(run, run_dir)
    raise typer.Exit(attach_console(found, read_only, ascii_only=ascii_only, theme=_theme(theme), budget=refresh))


def _theme(name: str) -> str:
    if name not in THEMES:
        raise ConfigError(f"theme is {name!r}; it must be one of {', '.join(THEMES)}.{did_you_mean(name, THEMES)}")
    return f"simo2-{name}"
