"""One look at every decoded image: what to normalise by, which images are equal, and which show nothing.

ENTRY/survey-CUT.npz      beside the images in the cache
CACHE/surveys/ENTRY.npz   of images that are decoded as they are needed: it saves decoding them all once more
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.cache_folder import cache_folder
from simo2_core.data.cache import Entry
from simo2_core.data.dataset import DataPart, Note, are_decoded
from simo2_core.data.pool import chunks
from simo2_core.data.progress import Progress, Report, silent

SURVEYS = "surveys"
"""The folder of the cache for those of images that are decoded as they are needed."""

_BLOCK = 1 << 24
"""Bytes looked at together: a mapped data set larger than memory must not be copied whole."""

_WORTH_A_WORD = 1 << 30
"""Bytes from which on looking takes seconds."""

_FORMAT = 1
"""Version of the files, and of how the pixels of an image are hashed."""

FAINT = 24
"""An image whose levels span fewer than so many of 256 shows next to nothing."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What was seen of N images."""

    digests: NDArray[np.uint64]
    """(N,) a hash of the pixels of each."""
    low: NDArray[np.uint8]
    """(N,) the darkest value of each image, in any channel."""
    high: NDArray[np.uint8]
    """(N,) the brightest."""
    constant: NDArray[np.bool_]
    """(N,) whether all pixels of the image are the same."""
    histogram: NDArray[np.int64]
    """(ch, 256) how often each value occurs in each channel of the rows that were asked for."""


def survey(entry: Entry, part: DataPart | None, name: str, report: Report = silent) -> Survey:
    """Looks at the images of an entry, or finds what an earlier look has kept.

    Args:
        part: the rows that the histogram is of; None for none.
        name: what to call the images in a report.
    """
    cut = "" if part is None else hashlib.sha256(np.concatenate([part.offsets, part.counts]).tobytes()).hexdigest()[:16]
    path = _place(entry, cut)
    known = _read(path, entry)
    if known is None:
        known = look(entry.images, part, name, report)
        _write(path, entry, known)
    return known


def look(images: NDArray[np.uint8], part: DataPart | None, name: str = "", report: Report = silent) -> Survey:
    """Reads (N, H, W, ch) images once, a block at a time."""
    count, height, width, channels = images.shape
    counted = np.zeros(count, bool)
    if part is not None:
        counted[part.rows] = True
    digests, histogram = np.zeros(count, np.uint64), np.zeros((channels, 256), np.int64)
    low, high = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    constant = np.zeros(count, bool)
    rows = max(1, _BLOCK // (height * width * channels))
    slow = not are_decoded(images) or images.nbytes > _WORTH_A_WORD
    for begin, end in chunks(count, rows):
        block = np.asarray(images[begin:end])
        flat = block.reshape(end - begin, -1)
        low[begin:end], high[begin:end] = flat.min(1), flat.max(1)
        constant[begin:end] = _constant(flat, channels)
        digests[begin:end] = [_digest(image) for image in flat]
        among = counted[begin:end]
        histogram += _histogram(block if among.all() else block[among])
        if slow:
            report(Progress(stage="statistics", name=name, done=end, total=count))
    return Survey(digests, low, high, constant, histogram)


def _constant(flat: NDArray[np.uint8], channels: int) -> NDArray[np.bool_]:
    """(n,) whether each of (n, pixels * channels) images is of one colour."""
    found = np.zeros(len(flat), bool)
    ends = (flat[:, :channels] == flat[:, -channels:]).all(1)  # most images are ruled out by their corners
    for row in np.flatnonzero(ends):
        found[row] = (flat[row, channels:] == flat[row, :-channels]).all()
    return found


def _digest(image: NDArray[np.uint8]) -> int:
    return int.from_bytes(hashlib.sha1(image.tobytes(), usedforsecurity=False).digest()[:8], "little")


def _histogram(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    from PIL import Image  # counts 5 times as fast as numpy, whose bincount makes 8 bytes of each

    _, _, width, channels = images.shape
    if not len(images):
        return np.zeros((channels, 256), np.int64)
    tall = images.reshape(-1, width) if channels == 1 else images.reshape(-1, width, channels)
    return np.array(Image.fromarray(tall).histogram(), np.int64).reshape(channels, 256)


def _place(entry: Entry, cut: str) -> Path:
    if are_decoded(entry.images):
        return entry.path / (f"survey-{cut}.npz" if cut else "survey.npz")
    return cache_folder(SURVEYS) / f"{entry.path.name}{'-' if cut else ''}{cut}.npz"


def _read(path: Path, entry: Entry) -> Survey | None:
    if not entry.path.name:
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file["of"]) != _of(entry) or len(file["digests"]) != len(entry.images):
                return None
            return Survey(*(file[name] for name in Survey.__dataclass_fields__))
    except Exception:  # numpy, zipfile and ast each have their own for bytes that are wrong; it is made again
        return None


def _of(entry: Entry) -> str:
    return f"{_FORMAT} {entry.sha256}"


def _write(path: Path, entry: Entry, seen: Survey) -> None:
    """Whole or not at all; a cache that cannot be written stays as it is."""
    if not entry.path.name:
        return
    buffer = io.BytesIO()
    arrays = {name: getattr(seen, name) for name in Survey.__dataclass_fields__}
    np.savez(buffer, allow_pickle=False, of=np.array(_of(entry)), **arrays)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def equal_images(seen: NDArray[np.uint64], trained: NDArray[np.uint64]) -> int:
    """How many of `seen` are, pixel for pixel, among `trained`."""
    return int(np.isin(seen, trained).sum())


def describe(seen: Survey, name: str, *, background: str = "white") -> list[Note]:
    """What is wrong with how images look: nothing is on them, or nearly nothing.

    Args:
        name: of the part, for people.
        background: what transparent pixels have become.
    """
    count, notes, other = len(seen.digests), [], "black" if background == "white" else "white"
    constant = int(seen.constant.sum())
    if constant:
        notes.append(
            Note(
                "constant",
                f"{constant:,} of {count:,} {name} images are of one colour: nothing is on them.",
                f"Where they are drawings on transparent ground, use --background {other}. Else remove them.",
            )
        )
    faint = int((seen.high.astype(int) - seen.low < FAINT).sum()) - constant
    if faint <= 0:
        return notes
    brightest = int(seen.high.max())
    bits = _bits(brightest)
    cure = "Raise their contrast, or remove them."
    if bits < 16:
        cure = f"Where they are 16-bit greys of {bits}-bit values, use --depth {bits}. Else raise their contrast."
    said = f"{faint:,} of {count:,} {name} images span fewer than {FAINT} of 256 levels; the brightest has {brightest}."
    return [*notes, Note("faint", said, cure)]


def _bits(brightest: int) -> int:
    """The bits of values that are stored in 16 and come out as `brightest` of 255."""
    return next(bits for bits in range(8, 17) if (2**bits - 1 + 128) // 257 >= brightest)
