"""`simo2 plot`: the pictures of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption


def plot_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    kinds: Annotated[
        str | None, typer.Option(metavar="KINDS", help="Comma separated: curves,pca,similarity,pairs,cosines,tsne.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the PNG files; by default the run's plots/.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Draw training curves, PCA, t-SNE, class similarity, class pairs and cosines as PNG.

    A run is drawn as of its newest checkpoint into plots/; a checkpoint, into plots/STEP/.
    """
    from simo2_core.analysis.render import render_each
    from simo2_core.run.directory import find_run

    found = find_run(run, run_dir)
    step = _snapshot(run, run_dir)
    named = step is not None and Path(run).name == str(step)
    wanted = [kind.strip() for kind in kinds.split(",")] if kinds else None
    drawn = []
    for picture in render_each(found.path, wanted, step=step if named else None, out=out, dark=dark):
        drawn.append(str(picture.path))
        if as_json:
            print(json.dumps({"event": "plot_saved", "step": picture.step, "path": str(picture.path)}), flush=True)
        else:
            print(f"{picture.kind}, step {picture.step}: {picture.path}", flush=True)
    if as_json:
        print(json.dumps({"run": str(found.path), "plots": drawn}))


def _snapshot(run: str, run_dir: Path) -> int | None:
    """Makes sure that the checkpoint's embedding is on disk; returns its step, or None without a checkpoint."""
    from simo2_core.run.directory import find_run

    found = find_run(run, run_dir)
    if run in ("latest", found.name, str(found.path)) and not any(found.checkpoints.iterdir()):
        return None  # stopped before its first checkpoint: what it logged can be drawn all the same

    from simo2_core.train.restore import locate, snapshot_checkpoint  # jax, for an embedding that is not there yet

    return snapshot_checkpoint(found, locate(run, run_dir))
