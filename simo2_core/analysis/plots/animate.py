"""How the embedding formed: a GIF over the snapshots of a run.

A loss of angles does not care how the whole sphere is turned, so each frame is turned, or mirrored, onto the last one.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from simo2_core.analysis.geometry import procrustes_align
from simo2_core.analysis.plots.labels import class_points, write_labels
from simo2_core.analysis.plots.style import (
    LIGHT,
    Caption,
    Theme,
    class_look,
    clean_all,
    dress,
    new_figure,
    own_look,
)
from simo2_core.analysis.reduce import pca_2d, sample_by_class
from simo2_core.analysis.snapshot import Snapshot
from simo2_core.errors import DataError
from simo2_core.run.files import write_into

MOST_FRAMES = 60
_IMAGES = 1500
"""Points of a frame."""
_DPI = 100
_FRAME, _LAST = 160, 2400
"""Milliseconds that a frame, and the last one, is shown."""
_LEGIBLE = 20
"""Classes that a GIF can name."""


@own_look
def draw_animation(
    path: Path, snapshots: Sequence[Snapshot], data: str, *, run: str = "", theme: Theme = LIGHT
) -> Path:
    """Draws the snapshots, at most 60 of them, in the plane of the principal components of the last one.

    Args:
        path: ends in .gif.
        snapshots: of the same images, ascending by step.

    Raises:
        DataError: fewer than two snapshots that can be drawn.
        RunError: the file cannot be written.
    """
    last = snapshots[-1] if snapshots else None
    fit = [one for one in snapshots if last is not None and one.embedding.shape == last.embedding.shape]
    fit = [one for one in fit if np.isfinite(one.embedding).all()]
    if last is None or len(fit) < 2:
        raise DataError(f"an animation needs two snapshots of the embedding; there are {len(fit)}. Lower --eval-every.")
    places = np.unique(np.linspace(0, len(fit) - 1, min(MOST_FRAMES, len(fit))).round().astype(int))
    chosen = [fit[place] for place in places]
    plane = pca_2d(chosen[-1].embedding)
    kept = sample_by_class(last.labels, _IMAGES)
    clouds = [
        ((procrustes_align(one.embedding, chosen[-1].embedding) - plane.mean) @ plane.components.T)[kept]
        for one in chosen
    ]
    every = np.concatenate(clouds)
    low, high = every.min(axis=0), every.max(axis=0)
    reach = float((high - low).max()) * 0.53
    middle = (low + high) / 2
    limits = [(float(at - reach), float(at + reach)) for at in middle]
    frames = [
        _frame(
            cloud,
            last.labels[kept],
            last.class_names,
            Caption(data, one.step, len(last.labels), run=run),
            limits,
            plane.explained,
            theme,
        )
        for cloud, one in zip(clouds, chosen, strict=True)
    ]
    classes = len(last.class_names)
    colours = {class_look(label, classes, theme).colour for label in range(classes)}
    content = _gif(frames, [theme.paper, theme.ink, theme.muted, theme.faint, *sorted(colours)])
    write_into(path, content)
    return path


def _frame(
    points: NDArray[np.float64],
    labels: NDArray[np.int32],
    class_names: Sequence[str],
    caption: Caption,
    limits: Sequence[tuple[float, float]],
    explained: NDArray[np.float64],
    theme: Theme,
) -> NDArray[np.uint8]:
    note = "Each frame is turned onto the last one and shown in the plane of its principal components."
    figure = new_figure(6.4, 5.6, theme, "How the embedding formed", str(caption), note)
    figure.set_dpi(_DPI)
    axes = figure.add_subplot()
    dress(axes, theme)
    axes.set_aspect("equal")
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.set_xlabel(f"PC1 of the last frame ({explained[0]:.0%} of its variance)")
    axes.set_ylabel(f"PC2 ({explained[1]:.0%})")
    classes = len(class_names)
    looks = [class_look(label, classes, theme) for label in range(classes)]
    for label in np.unique(labels):
        mine = points[labels == label]
        axes.scatter(mine[:, 0], mine[:, 1], s=22, **looks[label].points())
    if classes <= _LEGIBLE:
        figure.draw_without_rendering()
        colours = [look.colour for look in looks]
        names = clean_all(class_names)
        write_labels(axes, class_points(points, labels), points, names, colours, theme, size=8.5, boxed=True)
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _gif(frames: Sequence[NDArray[np.uint8]], colours: Sequence[str]) -> bytes:
    """All frames in one palette, so that nothing flickers; `colours` count as if they filled the picture."""
    from PIL import Image

    height, width = frames[0].shape[:2]
    bands = [np.full((max(1, height // len(colours)), width, 3), _bytes(colour), np.uint8) for colour in colours]
    sample = Image.fromarray(np.concatenate([frames[0], frames[len(frames) // 2], frames[-1], *bands]))
    palette = sample.quantize(256, method=Image.Quantize.FASTOCTREE)
    drawn = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=drawn[1:],
        loop=0,
        optimize=False,
        duration=[_FRAME] * (len(drawn) - 1) + [_LAST],
    )
    return buffer.getvalue()


def _bytes(colour: str) -> NDArray[np.uint8]:
    return np.round(np.array(to_rgb(colour)) * 255).astype(np.uint8)
