"""The one look of all pictures: colours, markers, type, the header of a figure, and how it becomes a file.

Figures are made without pyplot, so nothing is global and a thread may draw; Agg paints them, so no screen is needed.
The same input gives the same bytes: fonts ship with matplotlib, and the PNG carries no date and no version.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path

import matplotlib.style
from matplotlib import get_data_path
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from simo2_core.run.files import write_into

own_look = matplotlib.style.context("default")
"""Around every function that draws: a user's matplotlibrc changes neither what labels are measured with nor a byte."""

DPI = 300
"""Dots an inch of every picture: what journals ask for. Against 160 it takes a quarter more time to draw."""


@dataclass(frozen=True)
class Theme:
    """The colours that are not classes."""

    paper: str
    ink: str
    muted: str
    faint: str
    accent: str
    """For what a reader should not miss."""
    low: str
    """-1 on the signed scale."""
    middle: str
    high: str
    """+1 on the signed scale."""
    palette: tuple[str, ...]
    """Ten colours for up to ten classes."""
    lightness: float
    """Of the colours for more than ten classes, in OKLCH."""


_OKABE_ITO = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00")
# Okabe and Ito, "Color Universal Design", 2008, in the order of the console; their black and two neutrals complete ten

LIGHT = Theme(
    paper="#FFFFFF", ink="#1B2330", muted="#566070", faint="#DDE1E7", accent="#C62828",
    low="#1F6FB5", middle="#F4F5F7", high="#C85A00",
    palette=(*_OKABE_ITO, "#8C939E", "#000000", "#7A4A21"), lightness=0.66,
)  # fmt: skip
DARK = Theme(
    paper="#10141B", ink="#E6E9EF", muted="#9AA3B2", faint="#2C3442", accent="#FF6B5E",
    low="#4FA8E8", middle="#1F2530", high="#F2A33A",
    palette=(*_OKABE_ITO[:5], "#3E8FD0", *_OKABE_ITO[6:], "#8C939E", "#FFFFFF", "#C49A6C"), lightness=0.74,
)  # fmt: skip

MARKERS = "o^sDvPX<>p*"
"""Marker shapes of the classes: eleven against ten or twelve colours, so that the two repeat out of step."""

_HUES = 12


def class_style(label: int, classes: int, theme: Theme) -> tuple[str, str]:
    """The colour and the marker of a class: both differ for any two of up to ten, one of them for any of up to 132."""
    marker = MARKERS[label % len(MARKERS)]
    if classes <= len(theme.palette):
        return theme.palette[label], marker
    # hues five twelfths apart, so that classes that follow each other do not look alike
    return _oklch(theme.lightness, 0.15, (label * 5 % _HUES) / _HUES), marker


def _oklch(lightness: float, chroma: float, turn: float) -> str:
    """A colour of perceived lightness and chroma (B. Ottosson, "A perceptual color space", 2020) as `#rrggbb`."""
    a, b = chroma * cos(2 * pi * turn), chroma * sin(2 * pi * turn)
    l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )
    shown = [1.055 * max(x, 0.0031308) ** (1 / 2.4) - 0.055 if x > 0.0031308 else 12.92 * max(x, 0.0) for x in linear]
    red, green, blue = (min(x, 1.0) for x in shown)
    return to_hex((red, green, blue))


def signed_map(theme: Theme) -> Colormap:
    """Blue for -1 through the paper's own shade at 0 to orange for +1; grey where there is no value."""
    colours = LinearSegmentedColormap.from_list("signed", [theme.low, theme.middle, theme.high], N=255)
    return colours.with_extremes(bad=theme.faint)


def blend(colour: str, other: str, share: float) -> str:
    """`colour` mixed with that share of `other`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))
    return to_hex((red, green, blue))


def luminance(colour: str | tuple[float, float, float, float]) -> float:
    """From 0 to 1, to choose between dark and light writing on a colour."""
    red, green, blue = to_rgb(colour)
    return float(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2)


_MISSING = "\N{REPLACEMENT CHARACTER}"
_FONT = FT2Font(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))


def clean(name: str, at_most: int = 24) -> str:
    """A class name as it can be drawn: one line, not longer than `at_most`, no formula, no missing glyph.

    The middle of a long name is left out, since names of one data set often share their beginning.
    """
    known = "".join(c if _drawable(c) else _MISSING for c in " ".join(name.split()))
    if len(known) > at_most:
        tail = (at_most - 1) // 2
        known = known[: at_most - 1 - tail].rstrip() + "…" + known[-tail:].lstrip()
    return known.replace("$", r"\$")


def clean_all(names: Sequence[str], at_most: int = 24) -> list[str]:
    """Every class name by `clean`; one that is mostly in a script the font lacks becomes `class 7`."""
    shown = [clean(name, at_most) for name in names]
    return [
        text if text and 2 * text.count(_MISSING) <= len(text) else f"class {index}" for index, text in enumerate(shown)
    ]


def signed(value: float) -> str:
    """`+0.03`, `−0.99` or `0.00`, with a true minus sign."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def _drawable(character: str) -> bool:
    return bool(_FONT.get_char_index(ord(character))) and character.isprintable()


@dataclass(frozen=True)
class Caption:
    """What a picture shows, for its header."""

    preset: str
    step: int
    images: int
    split: str = "validation"

    def __str__(self) -> str:
        """`digits · step 400 · 143 validation images`."""
        return f"{clean(self.preset, 40)} · step {self.step:,} · {self.images:,} {self.split} images"


def new_figure(width: float, height: float, theme: Theme, title: str, caption: str, *notes: str) -> Figure:
    """A figure whose header names it: a bold title, the caption, and notes in a quieter ink.

    Args:
        width: inches.
        height: inches of the part below the header; the header's own are added.
    """
    per_line = int(width * 14.5)  # characters of 9-point type
    lines = [line for note in notes for line in textwrap.wrap(note, per_line)]
    header = 0.62 + 0.17 * len(lines)
    figure = Figure(figsize=(width, height + header), dpi=DPI, facecolor=theme.paper, layout="constrained")
    FigureCanvasAgg(figure)
    top = height + header

    def write(text: str, down: float, size: float, colour: str, weight: str = "normal") -> None:
        figure.text(
            0.12 / width, 1 - down / top, text, fontsize=size, color=colour, fontweight=weight,
            ha="left", va="top", in_layout=False,
        )  # fmt: skip

    write(title, 0.10, 12.5, theme.ink, "bold")
    write(caption, 0.35, 9.5, theme.ink)
    for i, line in enumerate(lines):
        write(line, 0.545 + 0.17 * i, 8.5, theme.muted)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0.0, 0.0, 1.0, height / top), w_pad=0.06, h_pad=0.06)  # type: ignore[call-arg]
    return figure


def dress(axes: Axes, theme: Theme, *, grid: bool = True) -> None:
    """Quiet axes: no box, thin lines, a faint grid behind the data."""
    axes.set_facecolor(theme.paper)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.muted)
        spine.set_linewidth(0.6)
    axes.tick_params(colors=theme.muted, labelsize=8, width=0.6, length=3, which="both")
    axes.xaxis.label.set(color=theme.muted, fontsize=8.5)
    axes.yaxis.label.set(color=theme.muted, fontsize=8.5)
    if grid:
        axes.grid(color=theme.faint, linewidth=0.6)
        axes.set_axisbelow(True)


def heading(axes: Axes, text: str, theme: Theme, *, size: float = 9.5, alarm: bool = False) -> None:
    """The title of one panel, above its left end; in the accent colour when it is an alarm."""
    axes.set_title(text, loc="left", color=theme.accent if alarm else theme.ink, fontsize=size)


def save(figure: Figure, path: Path, *, dpi: int = DPI) -> Path:
    """Writes the figure to `path` as PNG, whole or not at all, making its folder if need be.

    Raises:
        RunError: the disk is full or read-only.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor(), metadata={"Software": None})
    write_into(path, buffer.getvalue())
    return path
