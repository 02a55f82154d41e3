"""A trained encoder, frozen: images in, numpy out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from simo2_core.compiling import jit
from simo2_core.data.augment import normalise
from simo2_core.data.dataset import DataPart
from simo2_core.data.decode import Rule, UnreadableImage, decode_image
from simo2_core.errors import DataError
from simo2_core.model.network import Arrays, Network

Embed = Callable[[Arrays, Arrays, Array, Array, Array], tuple[Array, Array]]


def compile_embed(network: Network) -> Embed:
    """The jitted (params, stats, images uint8 (n, H, W, ch), mean, std) -> (representation, embedding)."""

    def embed(params: Arrays, stats: Arrays, images: Array, mean: Array, std: Array) -> tuple[Array, Array]:
        representation, embedding = network.infer(params, stats, normalise(images, mean, std))
        return representation.astype(jnp.float32), embedding.astype(jnp.float32)

    compiled: Embed = jit(embed)
    return compiled


_PIXELS = 256 * 96 * 96
"""Of a batch: 256 images of 518 pixels would be 11 GB of attention alone."""


def _batch_for(image_shape: tuple[int, int, int]) -> int:
    """Images to embed at once: 256, or a smaller power of two for large ones."""
    fitting = max(1, _PIXELS // (image_shape[0] * image_shape[1]))
    return min(256, 1 << (fitting.bit_length() - 1))


class TrainedEncoder:
    """An encoder with its weights and the statistics it was trained with."""

    def __init__(
        self,
        embed: Embed,
        params: Arrays,
        stats: Arrays,
        mean: NDArray[np.float32],
        std: NDArray[np.float32],
        image_shape: tuple[int, int, int],
        *,
        batch: int | None = None,
        rule: Rule | None = None,
    ) -> None:
        """See `simo2_core.load_encoder`. Images go through the device `batch` at a time: 256 small ones."""
        self._embed, self._params, self._stats = embed, params, stats
        self._mean, self._std = jnp.asarray(mean), jnp.asarray(std)
        self.image_shape = image_shape
        self._batch = batch or _batch_for(image_shape)
        self._rule = rule

    def read(self, files: Iterable[str | Path]) -> NDArray[np.uint8]:
        """(N, H, W, ch) the images in `files`, made as those of training were: for `represent` and `embed`.

        Raises:
            DataError: a file is missing or no image; the message names it.
        """
        height, width, channels = self.image_shape
        rule = self._rule or Rule(height=height, width=width, channels=channels)
        images = []
        for path in map(Path, files):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about size and odd metadata
                    images.append(decode_image(path.read_bytes(), rule))
            except OSError as error:
                raise DataError(f"{path} cannot be opened: {error.strerror}. Give the paths of images.") from None
            except UnreadableImage as error:
                raise DataError(f"{path} cannot be read: {error}. Leave it out.") from None
        return np.stack(images) if images else np.zeros((0, *self.image_shape), np.uint8)

    def represent(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The pooled representation (N, F) of `images` (N, H, W, ch) uint8; raises DataError for another kind."""
        return self.both(images)[0]

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The projection (N, D), unit rows, of `images` (N, H, W, ch) uint8; raises DataError for another kind."""
        return self.both(images)[1]

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The representation (N, F) and the projection (N, D) in one pass."""
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != self.image_shape or images.dtype != np.uint8:
            wanted = ", ".join(map(str, self.image_shape))
            raise DataError(f"images are {images.dtype}{list(images.shape)}; this encoder takes uint8 [N, {wanted}].")
        return self._stack(images[start : start + self._batch] for start in range(0, len(images), self._batch))

    def part(self, part: DataPart) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same for a part of a data set, read a batch at a time: a memory map is never copied whole."""
        rows = part.rows
        return self._stack(part.images[rows[start : start + self._batch]] for start in range(0, len(rows), self._batch))

    def represent_views(self, part: DataPart, *, mirror: bool) -> NDArray[np.float32]:
        """(n, F) for each image of a part, the mean of its representation and of those of its views.

        The views are shifted by a pixel, up and left or down and right, and count half as much; with `mirror` all
        three are mirrored as well. A linear classifier of the mean gives the mean of its logits.

        Source: Keller Jordan, arXiv 2404.00498, section 3.3 (`multicrop`).
        """
        rows, total = part.rows, np.zeros(1, np.float32)
        shifts = ((0, 0.5), (-1, 0.25), (1, 0.25))
        sides = (False, True) if mirror else (False,)
        for turned in sides:
            for by, weight in shifts:

                def batches(turned: bool = turned, by: int = by) -> Iterator[NDArray[np.uint8]]:
                    for start in range(0, len(rows), self._batch):
                        yield _view(part.images[rows[start : start + self._batch]], by, turned)

                total = total + np.float32(weight / len(sides)) * self._stack(batches())[0]
        return total

    def _stack(self, batches: Iterator[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pairs = []
        for images in batches:
            missing = self._batch - len(images)  # one shape, so one compilation
            padded = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.uint8)]) if missing else images
            out = self._embed(self._params, self._stats, jnp.asarray(padded), self._mean, self._std)
            pairs.append(tuple(np.asarray(array)[: len(images)] for array in out))
        if not pairs:
            raise DataError("there are no images to embed.")
        representations, embeddings = zip(*pairs, strict=True)
        return np.concatenate(representations), np.concatenate(embeddings)


def _view(images: NDArray[np.uint8], by: int, mirrored: bool) -> NDArray[np.uint8]:
    """(n, H, W, ch) moved by `by` pixels down and right, the edge repeated, and mirrored or not."""
    _, height, width, _ = images.shape
    rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for size in (height, width))
    moved = images[:, rows][:, :, columns]
    return np.ascontiguousarray(moved[:, :, ::-1] if mirrored else moved)
