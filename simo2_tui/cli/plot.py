"""`simo2 plot`: the pictures of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory


def plot_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="Comma separated: curves,pca,similarity,pairs,cosines,tsne; of an autoencoder also reconstructions.",
        ),
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
    reconstructs = step is not None and found.config.objective.objective == "autoencoder"
    if reconstructs and wanted is not None:
        reconstructs = "reconstructions" in wanted
        wanted = [kind for kind in wanted if kind != "reconstructions"]
    for picture in render_each(found.path, wanted, step=step if named else None, out=out, dark=dark):
        drawn.append(str(picture.path))
        if as_json:
            print(json.dumps({"event": "plot_saved", "step": picture.step, "path": str(picture.path)}), flush=True)
        else:
            print(f"{picture.kind}, step {picture.step}: {picture.path}", flush=True)
    if reconstructs and step is not None:
        drawn.append(str(_reconstructions(found, step, out or found.plots / (str(step) if named else ""), dark)))
        print(json.dumps({"event": "plot_saved", "step": step, "path": drawn[-1]}) if as_json else drawn[-1])
    if as_json:
        print(json.dumps({"run": str(found.path), "plots": drawn}))


def _reconstructions(run: RunDirectory, step: int, folder: Path, dark: bool) -> Path:
    """What an autoencoder makes of validation images, spread over the classes."""
    import numpy as np

    from simo2_core.analysis.plots.reconstructions import MOST, draw_reconstructions
    from simo2_core.analysis.plots.style import DARK, LIGHT, Caption
    from simo2_core.data.load import load_dataset
    from simo2_core.train.restore import reconstruct

    part = load_dataset(run.config.data).validation
    rows = part.rows[np.linspace(0, len(part) - 1, min(MOST, len(part))).astype(int)]
    images = part.images[rows]
    shown, back = reconstruct(run.checkpoints / str(step), images)
    caption = Caption(run.config.preset or run.name, step, len(images))
    return draw_reconstructions(
        folder / "reconstructions.png", images, shown, back, caption, theme=DARK if dark else LIGHT
    )


def _snapshot(run: str, run_dir: Path) -> int | None:
    """Makes sure that the checkpoint's embedding is on disk; returns its step, or None without a checkpoint."""
    from simo2_core.run.directory import find_run

    found = find_run(run, run_dir)
    if run in ("latest", found.name, str(found.path)) and not any(found.checkpoints.iterdir()):
        return None  # stopped before its first checkpoint: what it logged can be drawn all the same

    from simo2_core.train.restore import locate, snapshot_checkpoint  # jax, for an embedding that is not there yet

    return snapshot_checkpoint(found, locate(run, run_dir))
