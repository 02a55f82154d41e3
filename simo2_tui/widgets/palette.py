"""Inks and glyphs: every renderer writes indices into these tables, never a colour of its own.

Classes have the colours and shapes of `simo2_core.palette`, in the console as in the pictures. What a terminal of 256
or of 16 colours shows for each ink is chosen here: the nearest colour would turn the grey of 0 into navy, which means
opposite.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from simo2_core.palette import FEW, MANY, ON_DARK, ON_LIGHT, colour_index

TEXT, MUTED, FAINT, ALERT, GOOD, ACCENT, DARK = range(FEW + MANY, FEW + MANY + 7)
"""Inks that are not classes; the first indices are `Palette.classes`."""

WARN = 1
"""The orange of the second class: to be minded, and not wrong."""

HEAT = DARK + 1
"""First index of the ramp for signed values."""

HEAT_STEPS = 41
"""Steps of the ramp: -1 is `HEAT`, 0 is the middle, +1 is the last."""

_HALF = (HEAT_STEPS - 1) // 2


@dataclass(frozen=True)
class Glyphs:
    """The characters a renderer may use, each one cell wide."""

    braille: bool
    markers: str
    """Marker shapes of the classes, in the order of `simo2_core.palette.SHAPES`."""
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
    bars: str
    """Eighths of a cell, from empty to full."""
    line: str
    """The sample of a series in a legend."""
    upper: str
    """The upper half of a cell in ink, the lower one in paper; empty where there is no such character."""
    alike: str
    """Signed values from 0 to +1 where there are no colours."""
    opposite: str
    """The same from 0 to -1."""
    colour: bool = True
    """Whether inks are seen; where they are not, shapes must say what colours say."""

    @property
    def halves(self) -> bool:
        """Whether the two halves of a cell can have colours of their own."""
        return self.colour and bool(self.upper)


UNICODE = Glyphs(True, "●▲■◆▼✚★○△□◇", "┈", "┊", "•", "✖", "▾", "▴", " ▁▂▃▄▅▆▇█", "━", "▀", " ░▒▓█", " -=≡≣")
ASCII = Glyphs(False, "o^#+vx%*@&$", ".", "|", "*", "X", "v", "^", " ..--==##", "-", "", " .+#@", " -=%X")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Markers of more classes than there are shapes, where there are no colours."""


def class_ink(label: int, classes: int) -> int:
    """The ink of class `label` of `classes`."""
    return colour_index(label, classes)


def class_markers(classes: int, glyphs: Glyphs) -> str:
    """The markers that the classes take in turn: shapes, or letters where only they tell so many apart."""
    return glyphs.markers if glyphs.colour or classes <= len(glyphs.markers) else LETTERS


@lru_cache(maxsize=8)
def colours(dark: bool, contrast: bool = False) -> tuple[str, ...]:
    """The colour of every index, as `#rrggbb`, for a dark or a light background."""
    palette = ON_DARK if dark else ON_LIGHT
    if dark:
        named = ("#FFFFFF", "#C8C8C8", "#8A8A8A") if contrast else ("#E6E9EF", "#9AA3B2", "#414A5A")
        others = ("#FF6B5E", "#3DD6A3", "#7CC7F2", "#10141B")
    else:
        named = ("#000000", "#303030", "#707070") if contrast else ("#1B2330", "#566070", "#C5CBD6")
        others = ("#C62828", "#00795A", "#0B62A8", "#10141B")
    ramp = [_blend(palette.low, palette.middle, i / _HALF) for i in range(_HALF)]
    ramp += [_blend(palette.middle, palette.high, i / _HALF) for i in range(_HALF + 1)]
    return (*palette.classes, *named, *others, *ramp)


_CLASSES_256 = (
    # on a dark background, then on a light one: of the cube of 6 levels, each the nearest that no other class has
    ("#87D7FF", "#FFAF00", "#00AF87", "#D787AF", "#FFFF5F", "#0087D7", "#D75F00", "#8A8A8A", "#FFFFFF", "#AF875F",
     "#FF87AF", "#87D787", "#D7AFFF", "#D7AF5F", "#5FAFFF", "#FFAF87", "#5FD7AF", "#FF87D7", "#AFD75F", "#AFAFFF",
     "#FFAF5F", "#00D7FF", "#D75F87", "#00AF5F", "#875FD7", "#AF8700", "#0087D7", "#D75F5F", "#00AF87", "#AF5FAF",
     "#878700", "#5F87D7", "#D75F00", "#0087AF"),
    ("#5FAFFF", "#D78700", "#00875F", "#D787AF", "#AFAF00", "#005FAF", "#D75F00", "#8A8A8A", "#000000", "#875F5F",
     "#D75F87", "#00AF5F", "#AF5FD7", "#AF8700", "#0087D7", "#D75F5F", "#00AF87", "#AF5FAF", "#878700", "#5F87FF",
     "#D75F00", "#00AFAF", "#AF005F", "#005F00", "#5F5FAF", "#5F5F00", "#005F87", "#AF0000", "#005F5F", "#870087",
     "#5F8700", "#005FAF", "#875F00", "#008787"),
)  # fmt: skip

_STEPS_256 = (0.12, 0.35, 0.6, 0.85)
"""Signed values from which on the ramp of 256 colours takes its next colour; below the first it is grey."""

_RAMP_256 = (
    (("#005F87", "#0087AF", "#00AFFF", "#87D7FF"), "#262626", ("#875F00", "#AF5F00", "#FFAF00", "#FFD787")),
    (("#AFD7FF", "#87AFFF", "#5F87FF", "#0087FF"), "#EEEEEE", ("#FFD7AF", "#FFAF5F", "#FF8700", "#D75F00")),
)
"""Opposite, from weak to strong; orthogonal; alike: on a dark and on a light background."""


@lru_cache(maxsize=8)
def colours_256(dark: bool, contrast: bool = False) -> tuple[str, ...]:
    """The colour of every index for a terminal of 256 colours: only colours that it has."""
    if dark:
        named = ("#FFFFFF", "#C6C6C6", "#8A8A8A") if contrast else ("#EEEEEE", "#9E9E9E", "#4E4E4E")
        others = ("#FF5F5F", "#5FD7AF", "#87D7FF", "#121212")
    else:
        named = ("#000000", "#303030", "#6C6C6C") if contrast else ("#1C1C1C", "#5F5F5F", "#C6C6C6")
        others = ("#D70000", "#00875F", "#005FAF", "#121212")
    opposite, orthogonal, alike = _RAMP_256[not dark]
    return (*_CLASSES_256[not dark], *named, *others, *_ramp(opposite, orthogonal, alike, _STEPS_256))


def _ramp(
    opposite: tuple[str, ...], orthogonal: str, alike: tuple[str, ...], steps: tuple[float, ...]
) -> tuple[str, ...]:
    """A ramp of few colours, each from one of `steps` on."""
    sizes = [sum(abs(i - _HALF) / _HALF >= step for step in steps) for i in range(HEAT_STEPS)]
    sides = [opposite] * _HALF + [alike] * (_HALF + 1)
    return tuple(side[size - 1] if size else orthogonal for side, size in zip(sides, sizes, strict=True))


_CLASSES_16 = (
    ("#5555FF", "#AA5500", "#00AA00", "#AA00AA", "#FFFF55", "#00AAAA", "#FF5555", "#AAAAAA"),
    ("#0000AA", "#AA5500", "#00AA00", "#AA00AA", "#AA0000", "#00AAAA", "#FF5555", "#555555"),
)
"""Classes on a dark and on a light background where there are 16 colours: no two of the eight become one."""

_SEEN_16 = (0.3, 0.6)
"""Signed values smaller than the first keep the background where there are 16 colours; from the second on they are
strong: of blocks of classes few are, and one tone for all would make one spot of a map of 200."""

_RAMP_16 = (
    (("#0000AA", "#5555FF"), ("#AA5500", "#FFFF55")),
    (("#55FFFF", "#5555FF"), ("#FFFF55", "#AA5500")),
)
"""Opposite and alike, weak and strong: on a dark and on a light background."""


@lru_cache(maxsize=8)
def colours_16(dark: bool) -> tuple[str, ...]:
    """The colour of every index for a terminal of 16 colours: those of VGA, which stay themselves there."""
    back, text, muted, faint = ("#000000", "#FFFFFF", "#AAAAAA", "#555555")
    if not dark:
        back, text, muted, faint = ("#FFFFFF", "#000000", "#555555", "#AAAAAA")
    alert, good, accent = ("#FF5555", "#55FF55", "#55FFFF") if dark else ("#AA0000", "#00AA00", "#0000AA")
    eight = _CLASSES_16[not dark]
    classes = [eight[i % 8] for i in range(FEW)] + [eight[i % 8] for i in range(MANY)]
    opposite, alike = _RAMP_16[not dark]
    ramp = _ramp(opposite, back, alike, _SEEN_16)
    return (*classes, text, muted, faint, alert, good, accent, "#000000", *ramp)


def _blend(start: str, end: str, share: float) -> str:
    pairs = [(int(start[i : i + 2], 16), int(end[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
