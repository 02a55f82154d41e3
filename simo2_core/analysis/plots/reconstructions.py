"""Images beside what an autoencoder was shown of them and what it gave back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.plots.style import LIGHT, Caption, Theme, heading, new_figure, own_look, save

MOST = 12
"""Images in a row."""


@own_look
def draw_reconstructions(
    path: Path,
    images: NDArray[np.uint8],
    shown: NDArray[np.floating[Any]],
    back: NDArray[np.floating[Any]],
    caption: Caption,
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draws three rows of at most `MOST` images.

    Args:
        images: (n, h, w, ch) as they are.
        shown: the same with noise, in [0, 1].
        back: what came back, in [0, 1].

    Raises:
        RunError: the file cannot be written.
    """
    images, shown, back = images[:MOST], shown[:MOST], back[:MOST]
    whole = images / 255
    error = float(np.sqrt(np.mean(np.square(back - whole))))
    spoilt = float(np.sqrt(np.mean(np.square(shown - whole))))
    note = f"Root mean square error of a pixel, of these images: {error:.3f}, and {spoilt:.3f} with the noise left in."
    figure = new_figure(0.82 * len(images) + 0.3, 3.0, theme, "Reconstructions", str(caption), note)
    panels = figure.subplots(3, len(images), squeeze=False)
    for row, (name, pictures) in enumerate((("image", whole), ("shown", shown), ("given back", back))):
        for axes, picture in zip(panels[row], pictures, strict=True):
            grey = picture.shape[-1] == 1
            axes.imshow(picture[..., 0] if grey else picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
        heading(panels[row, 0], name, theme, size=8.5)
    return save(figure, path)
