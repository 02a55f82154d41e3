"""The worst of what is doubted, as one picture to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from simo2_core.analysis.plots.contact_sheet import ACROSS, SheetSection, Tile, draw_contact_sheet
from simo2_core.analysis.plots.style import clean_all, named
from simo2_core.clean.find import Findings
from simo2_core.evaluation.thumbnails import shrink

_LABELS, _PAIRS, _OUTLIERS = 5 * ACROSS, ACROSS, ACROSS
"""How many are shown of each kind."""
_SIDE = 96
"""Most pixels of a side: as many as a tile has on a printed page."""


def draw_sheet(path: Path, found: Findings) -> Path | None:
    """Draws up to 40 labels, 8 pairs and 8 outliers, the worst of each; nothing where nothing is doubted.

    Raises:
        RunError: the file cannot be written.
    """
    sections = [section for section in _sections(found) if section.tiles]
    if not sections:
        return None
    caption = f"{named(found.run, found.data)} · step {found.step:,} · {len(found):,} images"
    return draw_contact_sheet(path, sections, "What to look at once more", caption)


def _sections(found: Findings) -> Iterator[SheetSection]:
    names = clean_all(found.class_names, 16)

    def tile(row: int, second: str, *, alarm: bool = False) -> Tile:
        label = names[int(found.labels[row])] if found.doubts is not None else ""
        return Tile(shrink(found.image(row)[None], _SIDE)[0], (label, second), alarm)

    worst = found.mislabelled
    if found.doubts is not None:
        tiles = [
            tile(row, f"→ {names[int(found.doubts.suggested[row])]}", alarm=True) for row in worst[:_LABELS].tolist()
        ]
        yield SheetSection(
            f"Labels: {_shown(len(tiles), len(worst))}, each with its label → what it is taken for", tiles
        )
    pairs = found.pairs[:_PAIRS]
    tiles = [
        tile(row, found.parts[int(found.part[row])], alarm=found.is_leak(pair))
        for pair in pairs
        for row in (pair.first, pair.second)
    ]
    shown = _shown(len(pairs), len(found.pairs))
    yield SheetSection(f"Pairs of near-duplicates: {shown}, side by side, each image with its part", tiles)
    far = found.outliers
    tiles = [tile(row, found.parts[int(found.part[row])]) for row in far[:_OUTLIERS].tolist()]
    yield SheetSection(f"Outliers: {_shown(len(tiles), len(far))}, the farthest from their neighbours", tiles)


def _shown(some: int, every: int) -> str:
    return f"{some:,}" if some == every else f"the worst {some:,} of {every:,}"
