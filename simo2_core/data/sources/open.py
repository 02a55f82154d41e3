"""From what a user gives as `--dataset` to the source that claims it."""

from __future__ import annotations

from typing import cast

from simo2_core import parts
from simo2_core.data.progress import Report, silent
from simo2_core.data.sources.source import LargeClasses, Source, SourcePart
from simo2_core.data_config import DataConfig


def open_source(config: DataConfig, *, report: Report = silent) -> Source:
    """Where the images of `config` lie, preparing a TFDS data set that is not on disk yet.

    Raises:
        DataError: no folder and no data set of that name; the message has the nearest names.
    """
    source = claimant(config).open(config, report)
    return LargeClasses(source, config.min_images, config.train_split) if config.min_images else source


def open_on_disk(config: DataConfig) -> Source | None:
    """As `open_source`; None for a TFDS data set that is not prepared."""
    return open_source(config) if claimant(config).is_on_disk(config) else None


def claimant(config: DataConfig) -> SourcePart:
    """The kind of source that the data set is, with its settings.

    The first that claims it: one that somebody has added before simo2's own, of these the one that takes any path late,
    and the one that takes any name last.
    """
    own, named = parts.own("source"), {part.name: part for part in config.sources}
    offered = cast(dict[str, type[SourcePart]], parts.offered("source"))
    order = sorted(offered.values(), key=lambda part: (part.last, part.name in own, part.wide))
    found = next(part for part in order if part.claims(config.dataset))
    return cast(SourcePart, named.get(found.name) or found())
