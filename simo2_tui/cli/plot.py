"""`simo2 plot`: the pictures of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption


def plot_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, a checkpoint in it, a name, or latest.")],
    out: Annotated[Path | None, typer.Option(help="The folder for the PNG files; by default the run's plots/.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Draw PCA, t-SNE, training curves, class similarity and class pairs as PNG."""
    from simo2_core.run.directory import find_run

    found = find_run(run, run_dir)
    print(found, out, dark, json)
