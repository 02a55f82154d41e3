"""`simo2 plot`: the pictures of a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simo2_core.errors import ConfigError, RunError, did_you_mean
from simo2_tui.cli.options import (
    DEFAULT_RUN_DIR,
    EncoderOption,
    ImageSizeOption,
    JsonOption,
    RunDirOption,
    path_option,
    run_or_weights,
)
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.analysis.render import DrawnPlot
    from simo2_core.run.directory import RunDirectory


def plot_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="Comma separated: curves,pca,similarity,pairs,cosines,neighbours,tsne,umap,augmentation,filters; of "
            "an autoencoder also reconstructions. By default all but umap.",
        ),
    ] = None,
    out: Annotated[
        Path | None, path_option("--out", "Folder for the PNG files; by default the run's plots/.", metavar="DIR")
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    animate: Annotated[
        bool, typer.Option("--animate", help="Draw embedding.gif instead: how the embedding formed.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the pictures into the terminal too.")] = False,
    encoder: EncoderOption = None,
    image_size: ImageSizeOption = 0,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Draw training curves, PCA, t-SNE, class similarity and pairs, cosines, neighbours and more as PNG.

    A run is drawn as of its newest evaluation, with --patience of its best checkpoint, into plots/; a checkpoint into
    plots/STEP/. Dark pictures go into dark/ of that folder.
    """
    if show and (as_json or not sys.stdout.isatty()):
        raise ConfigError("--show prints pictures into a terminal, and the output is none. Leave it out.")
    if animate and kinds:
        raise ConfigError("--animate draws the embedding of every snapshot; it takes no --kinds.")
    if out is not None:
        from simo2_core.run.files import require_place

        require_place(out, folder=True)
    run = run_or_weights(run, encoder, image_size, run_dir, quiet=as_json)
    drawn = []
    for picture in _drawn(run, run_dir, kinds, out, dark, animate):
        drawn.append(str(picture.path))
        if as_json:
            print(json.dumps({"event": "plot_saved", "step": picture.step, "path": str(picture.path)}), flush=True)
        else:
            print_visible(f"{picture.kind}, step {picture.step}: {picture.path}")
        if show:
            _show(picture.path)
    if as_json:
        from simo2_core.run.directory import find_run

        print(json.dumps({"run": str(find_run(run, run_dir).path), "plots": drawn}))


def _drawn(
    text: str, run_dir: Path, kinds: str | None, out: Path | None, dark: bool, moving: bool
) -> Iterator[DrawnPlot]:
    from simo2_core.analysis.render import KINDS, ON_REQUEST, DrawnPlot, animate, folder_for, render_each
    from simo2_core.run.directory import find_run

    found = find_run(text, run_dir)
    if moving:
        yield animate(found.path, (out or folder_for(found, None, dark=dark)) / "embedding.gif", dark=dark)
        return
    wanted = [kind.strip() for kind in kinds.split(",")] if kinds else None
    from_run, from_checkpoint = _sort(wanted, (*KINDS, *ON_REQUEST), found)
    step = _snapshot(text, run_dir)
    named = step is not None and Path(text).name == str(step)
    if from_run is None or from_run:
        best = step if found.config.patience else None
        shown = step if named else None
        yield from render_each(found.path, from_run, step=shown, snapshot_of=best, out=out, dark=dark)
    if step is None and wanted is not None and from_checkpoint:
        raise RunError(f"{found.path} has no checkpoint to draw {from_checkpoint[0]} from. Let it train to its first.")
    if step is None:
        return
    from simo2_core.evaluation.pictures import draw_checkpoint

    folder = out or folder_for(found, step if named else None, dark=dark)
    for kind in from_checkpoint:
        path = draw_checkpoint(kind, found, found.checkpoints / str(step), folder, dark=dark)
        yield DrawnPlot(kind, path, step)


def _sort(
    wanted: Sequence[str] | None, from_run: Sequence[str], run: RunDirectory
) -> tuple[list[str] | None, list[str]]:
    """What is drawn from the run's folder (None for the usual), and what from a checkpoint."""
    others = ("augmentation", "filters", *(["reconstructions"] * (run.config.objective.reconstructs)))
    if wanted is None:
        return None, list(others)
    every = (*from_run, *others)
    for kind in wanted:
        if kind not in every:
            raise ConfigError(f"{kind!r} is no picture; there are {', '.join(every)}.{did_you_mean(kind, every)}")
    return [kind for kind in wanted if kind in from_run], [kind for kind in wanted if kind in others]


def _show(path: Path) -> None:
    """Prints a picture in half blocks, as wide as the terminal and not higher; in characters where colours are off."""
    from rich.segment import Segment, Segments

    from simo2_tui.cli.printing import make_console
    from simo2_tui.widgets.picture import read_picture, render_picture

    console = make_console()
    width, height = console.size.width, max(4, console.size.height - 3)
    shades = console.no_color or console.color_system is None or os.environ.get("TERM") == "dumb"
    strips = render_picture(read_picture(path, width, height), width, shades=shades)
    console.print(Segments([piece for strip in strips for piece in (*strip, Segment.line())]), end="")


def _snapshot(run: str, run_dir: Path) -> int | None:
    """Makes sure that the checkpoint's embedding is on disk; returns its step, or None without a checkpoint."""
    from simo2_core.run.directory import find_run

    found = find_run(run, run_dir)
    if run in ("latest", found.name, str(found.path)) and not any(found.checkpoints.iterdir()):
        return None  # stopped before its first checkpoint: what it logged can be drawn all the same

    from simo2_core.evaluation.restore import locate, snapshot_checkpoint  # jax, for an embedding that is not there yet

    return snapshot_checkpoint(found, locate(run, run_dir))
