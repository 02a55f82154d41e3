"""Colours and glyphs: every renderer writes indices into these tables, never a colour of its own.

Classes get the eight colours of Okabe and Ito, told apart by most colour-blind readers, and one of seven marker
shapes as well, so that 56 classes stay distinct and a screen without colour can still be read.
"""

from __future__ import annotations

from dataclasses import dataclass

OKABE_ITO = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#BBBBBB")
"""Okabe and Ito, "Color Universal Design" (2008), sky blue first and grey for black: black is no ink on black."""

TEXT, MUTED, FAINT, ALERT, GOOD, ACCENT, DARK = range(8, 15)
"""Inks that are not classes; the first eight indices are `OKABE_ITO`."""

HEAT = 16
"""First index of the ramp for signed values."""

HEAT_STEPS = 41
"""Steps of the ramp: -1 is `HEAT`, 0 is the middle, +1 is the last."""


@dataclass(frozen=True)
class Glyphs:
    """The characters a renderer may use, each one cell wide."""

    braille: bool
    markers: str
    """Marker shapes of the classes."""
    grid: str
    cursor: str
    dot: str
    """An evaluation on a curve."""
    broken: str
    """A value that is not finite."""
    flag: str
    """Something that happened at a step."""
    waiting: str
    """A call that waited for data."""
    block: str
    bars: str
    """Eighths of a cell, from empty to full."""
    line: str
    """The sample of a series in a legend."""


UNICODE = Glyphs(True, "●▲■◆▼◼✚", "┈", "┊", "•", "✖", "▾", "▴", "█", " ▁▂▃▄▅▆▇█", "━")
ASCII = Glyphs(False, "o^#+vx%", ".", "|", "*", "X", "v", "^", "#", " ..--==##", "-")


def class_ink(label: int) -> int:
    """The ink of a class."""
    return label % len(OKABE_ITO)


def class_marker(label: int, glyphs: Glyphs) -> str:
    """The marker of a class; seven shapes against eight colours, so that the two repeat out of step."""
    return glyphs.markers[label % len(glyphs.markers)]


def heat_index(value: float) -> int:
    """The ramp's index for a signed value in [-1, 1]; values outside are clipped, NaN is the middle."""
    half = (HEAT_STEPS - 1) // 2
    if value != value:
        return HEAT + half
    return HEAT + half + round(max(-1.0, min(1.0, value)) * half)


def colours(dark: bool, contrast: bool = False) -> tuple[str, ...]:
    """The colour of every index, as `#rrggbb`, for a dark or a light background."""
    if dark:
        named = ("#FFFFFF", "#C8C8C8", "#8A8A8A") if contrast else ("#E6E9EF", "#9AA3B2", "#414A5A")
        inks = (*OKABE_ITO, *named, "#FF6B5E", "#3DD6A3", "#7CC7F2", "#10141B", "#000000")
        low, middle, high = "#4FA8E8", "#1F2530", "#F2A33A"
    else:
        # Yellow and light grey vanish on white: the two are darkened, the other six are as published.
        light = (*OKABE_ITO[:4], "#A89A00", *OKABE_ITO[5:7], "#6E6E6E")
        named = ("#000000", "#303030", "#707070") if contrast else ("#1B2330", "#566070", "#C5CBD6")
        inks = (*light, *named, "#C62828", "#00795A", "#0B62A8", "#10141B", "#000000")
        low, middle, high = "#2F7FC4", "#EEF0F4", "#D9730D"
    half = (HEAT_STEPS - 1) // 2
    ramp = [_blend(low, middle, i / half) for i in range(half)]
    ramp += [_blend(middle, high, i / half) for i in range(half + 1)]
    return (*inks, *ramp)


_CLASSES_16 = (
    ("#5555FF", "#AA5500", "#00AA00", "#AA00AA", "#FFFF55", "#00AAAA", "#FF5555", "#AAAAAA"),
    ("#0000AA", "#AA5500", "#00AA00", "#AA00AA", "#AA0000", "#00AAAA", "#FF5555", "#555555"),
)
"""Classes on a dark and on a light background where there are 16 colours: no two of the eight become one."""

_SEEN_16 = 0.3
"""Signed values smaller than this keep the background where there are 16 colours."""


def colours_16(dark: bool) -> tuple[str, ...]:
    """The colour of every index for a terminal of 16 colours: those of VGA, which stay themselves there."""
    back, text, muted, faint = ("#000000", "#FFFFFF", "#AAAAAA", "#555555")
    if not dark:
        back, text, muted, faint = ("#FFFFFF", "#000000", "#555555", "#AAAAAA")
    alert, good, accent = ("#FF5555", "#55FF55", "#55FFFF") if dark else ("#AA0000", "#00AA00", "#0000AA")
    half = (HEAT_STEPS - 1) // 2
    seen = round(_SEEN_16 * half)
    ramp = ["#5555FF"] * (half - seen) + [back] * (2 * seen + 1) + ["#AA5500"] * (half - seen)
    return (*_CLASSES_16[not dark], text, muted, faint, alert, good, accent, "#000000", "#000000", *ramp)


def _blend(start: str, end: str, share: float) -> str:
    pairs = [(int(start[i : i + 2], 16), int(end[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
