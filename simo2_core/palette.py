"""The colours and shapes of classes: one table for the console and for every picture, so that a class looks alike.

Up to ten classes take colours that most colour-blind readers tell apart, more take evenly spaced hues. Shapes go
round in another period than colours, so that two classes with one colour differ in shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

_OKABE_ITO = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00")
"""Okabe and Ito, "Color Universal Design", 2008; their black and two neutrals complete ten."""

_HUES = 12
_STRIDE = 5
"""Twelfths of the circle between two classes that follow each other: neighbours must not look alike."""

SHAPES = ("circle", "triangle", "square", "diamond", "triangle down", "plus", "star", "ring", "hollow triangle",
          "hollow square", "hollow diamond")  # fmt: skip
"""The marker of class n is shape n modulo eleven."""


@dataclass(frozen=True)
class Palette:
    """Colours as `#RRGGBB` for one background."""

    few: tuple[str, ...]
    """For up to so many classes."""
    many: tuple[str, ...]
    """For more classes, in turn."""
    low: str
    """-1 on the signed scale."""
    middle: str
    high: str
    """+1 on the signed scale."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Every colour of a class; see `colour_index`."""
        return (*self.few, *self.many)

    def colour(self, label: int, classes: int) -> str:
        """The colour of class `label` of `classes`."""
        return self.classes[colour_index(label, classes)]


FEW, MANY = 10, 2 * _HUES
DISTINCT = MANY * len(SHAPES)
"""Classes that colour and shape together tell apart."""


def colour_index(label: int, classes: int) -> int:
    """The place of a class's colour in `Palette.classes`."""
    return label if classes <= FEW else FEW + label % MANY


def _oklch(lightness: float, chroma: float, turn: float) -> str:
    """A colour of perceived lightness and chroma, or the most vivid one of that lightness that a screen can show.

    B. Ottosson, "A perceptual color space for image processing", 2020.
    """
    a, b = chroma * cos(2 * pi * turn), chroma * sin(2 * pi * turn)
    l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )
    if not all(-0.001 <= x <= 1.001 for x in linear):
        return _oklch(lightness, chroma - 0.005, turn)
    shown = (1.055 * x ** (1 / 2.4) - 0.055 if x > 0.0031308 else 12.92 * max(x, 0.0) for x in linear)
    return "#" + "".join(f"{round(255 * min(x, 1.0)):02X}" for x in shown)


def _circle(*tiers: tuple[float, float]) -> tuple[str, ...]:
    """All hues in each tier of (lightness, chroma)."""
    hues = [(label * _STRIDE % _HUES) / _HUES for label in range(_HUES)]
    return tuple(_oklch(lightness, chroma, hue) for lightness, chroma in tiers for hue in hues)


# Yellow vanishes on white and dark blue on black: the one is darkened there and the other made lighter.
ON_LIGHT = Palette(
    few=(*_OKABE_ITO[:4], "#AEB800", *_OKABE_ITO[5:], "#8C939E", "#000000", "#7A4A21"),
    many=_circle((0.64, 0.16), (0.47, 0.13)),
    low="#1F6FB5",
    middle="#F4F5F7",
    high="#C85A00",
)
ON_DARK = Palette(
    few=(*_OKABE_ITO[:5], "#3E8FD0", *_OKABE_ITO[6:], "#8C939E", "#FFFFFF", "#C49A6C"),
    many=_circle((0.80, 0.13), (0.62, 0.15)),
    low="#4FA8E8",
    middle="#1F2530",
    high="#F2A33A",
)
