"""What size and which channels all images of a data set get: asked for, declared by the source, or read from headers.

Every header is read, not a sample: one picture in colour among a thousand grey ones must not depend on its name. That
takes 70 µs a file on one processor (PNG and JPEG of 32 to 500 pixels), and is done once, before decoding.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from simo2_core.data.dataset import SIZE_CHOSEN, Note
from simo2_core.data.decode import Rule, UnreadableImage, probe_image
from simo2_core.data.pool import chunks, cpus, run_tasks
from simo2_core.data.sources.source import Records, Split
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError

SIDES = (8, 16, 28, 32, 48, 64, 96)
"""Sizes to choose from. The largest is that of STL-10: more is for whoever asks for it, and has the machine."""

_TASK = 2000
_WORTH_A_PROCESS = 20_000
"""Below so many headers, reading them is quicker than starting processes for it."""


@dataclass
class Headers:
    """What the headers of some images say."""

    sizes: Counter[tuple[int, int]]
    """How many images have each height and width."""
    colour: int = 0
    """Images with three channels."""
    unreadable: int = 0
    reason: str = ""
    """Why one of those cannot be read."""

    @property
    def read(self) -> int:
        """Images whose header could be read."""
        return self.sizes.total()


@dataclass(frozen=True)
class HeaderJob:
    """Reads headers, for `pool.run_tasks`; a task is some records."""

    def run(self, task: Records) -> Headers:
        """What their headers say."""
        found = Headers(Counter())
        for place, head in enumerate(task.heads()):
            try:
                height, width, channels = self._probe(task, place, head)
            except UnreadableImage as error:
                found.unreadable, found.reason = found.unreadable + 1, found.reason or str(error)
                continue
            found.sizes[height, width] += 1
            found.colour += channels == 3
        return found

    def _probe(self, task: Records, place: int, head: bytes | OSError) -> tuple[int, int, int]:
        if isinstance(head, OSError):
            raise UnreadableImage(f"cannot be opened: {head.strerror}")
        try:
            return probe_image(head)
        except UnreadableImage:  # the header may lie further on
            whole = next(task.take(np.array([place])).images())
            if isinstance(whole, OSError) or len(whole) <= len(head):
                raise
            return probe_image(whole)


def read_headers(records: Records, workers: int | None = None) -> Headers:
    """What the headers of all records say."""
    tasks = [records.take(np.arange(begin, end)) for begin, end in chunks(len(records), _TASK)]
    if workers is None:
        workers = cpus() if len(records) >= _WORTH_A_PROCESS else 0
    found = Headers(Counter())
    for some in run_tasks(HeaderJob(), tasks, workers):
        found.sizes += some.sizes
        found.colour += some.colour
        found.unreadable += some.unreadable
        found.reason = found.reason or some.reason
    return found


def settle_rule(
    split: Split, config: DataConfig, name: str, *, decoder: str = "", workers: int | None = None
) -> tuple[Rule, tuple[Note, ...]]:
    """The size and channels that all images get, and what of that was chosen for the user.

    Raises:
        DataError: no image can be read.
    """
    height, width, channels = split.own_shape
    if config.image_size:
        height = width = config.image_size
    channels = config.channels or channels
    notes: list[Note] = []
    if height is None or width is None or channels is None:
        headers = read_headers(split.records, workers)
        if not headers.read:
            why = f" ({headers.reason})" if headers.reason else ""
            raise DataError(f"none of {headers.unreadable} images of {name} can be read{why}. Check the files.")
        if channels is None:
            channels = 3 if headers.colour else 1
            notes += _mixed_colours(headers)
        if height is None or width is None:
            height, width, chosen = choose_size(headers.sizes)
            notes += chosen
    return rule_of(config, (height, width, channels), decoder), tuple(notes)


def rule_of(config: DataConfig, shape: tuple[int, ...], decoder: str = "") -> Rule:
    """What every image is made into, of a settled shape: height, width, channels."""
    height, width, channels = shape
    return Rule(
        height=height,
        width=width,
        channels=channels,
        resize=config.resize,
        background=config.background,
        depth=config.depth,
        decoder=decoder,
    )


def choose_size(sizes: Counter[tuple[int, int]]) -> tuple[int, int, list[Note]]:
    """Their own size where all have one; else a square that most images fill, with what to say of it."""
    if len(sizes) == 1:
        ((height, width),) = sizes
        return height, width, []
    sides = np.repeat([min(size) for size in sizes], list(sizes.values()))
    filled = int(np.quantile(sides, 0.1, method="lower"))  # nine of ten images have as many pixels
    chosen = max((size for size in SIDES if size <= filled), default=filled)
    (low_h, low_w), (high_h, high_w) = min(sizes, key=lambda s: (min(s), s)), max(sizes, key=lambda s: (min(s), s))
    smaller = int((sides < chosen).sum())
    enlarged = f", {smaller:,} of them enlarged" if smaller else ""
    spread = f"{low_w}×{low_h} to {high_w}×{high_h} pixels"
    said = f"{sizes.total():,} images of {spread} are all made {chosen}×{chosen}{enlarged}."
    return chosen, chosen, [Note(SIZE_CHOSEN, said, "Choose another size with --image-size.")]


def _mixed_colours(headers: Headers) -> list[Note]:
    if headers.colour in (0, headers.read):
        return []
    said = f"{headers.colour:,} of {headers.read:,} images are in colour, so all are made RGB."
    return [Note("mixed-colours", said, "--channels 1 makes all grey.")]
