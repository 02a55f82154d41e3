"""The one look of all pictures: colours, markers, type, the header of a figure, and how it becomes a file.

Figures are made without pyplot, so nothing is global and a thread may draw; Agg paints them, so no screen is needed.
The same input gives the same bytes: fonts ship with matplotlib, and the PNG carries no date and no version.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure

from simo2_core.analysis.plots.fonts import fonts_for, own_font_has
from simo2_core.palette import ON_DARK, ON_LIGHT, SHAPES, Palette
from simo2_core.run.files import write_into
from simo2_core.short_names import shorten

own_look = matplotlib.style.context("default")
"""Around every function that draws: a user's matplotlibrc changes neither what labels are measured with nor a byte."""

DPI = 300
"""Dots an inch of every picture: what journals ask for. Against 160 it takes a quarter more time to draw."""


@dataclass(frozen=True)
class Theme:
    """The colours that are not classes, and those that are."""

    paper: str
    ink: str
    muted: str
    faint: str
    accent: str
    """For what a reader should not miss."""
    classes: Palette
    """The same as in the console, and the two ends of the signed scale."""

    @property
    def palette(self) -> tuple[str, ...]:
        """Ten colours for what is not a class: curves, arms, kinds of pairs."""
        return self.classes.few


LIGHT = Theme("#FFFFFF", "#1B2330", "#566070", "#DDE1E7", "#C62828", ON_LIGHT)
DARK = Theme("#10141B", "#E6E9EF", "#9AA3B2", "#2C3442", "#FF6B5E", ON_DARK)

_MARKERS = {
    "circle": ("o", True), "triangle": ("^", True), "square": ("s", True), "diamond": ("D", True),
    "triangle down": ("v", True), "plus": ("P", True), "star": ("*", True), "ring": ("o", False),
    "hollow triangle": ("^", False), "hollow square": ("s", False), "hollow diamond": ("D", False),
}  # fmt: skip
"""matplotlib's marker of each shape, and whether it is filled."""


@dataclass(frozen=True)
class Look:
    """How a class is drawn."""

    colour: str
    marker: str
    filled: bool

    def points(self, line: float = 0.4) -> dict[str, Any]:
        """Arguments of `Axes.scatter`; `line` is the width of the dark edge of a filled marker."""
        if self.filled:
            return {"c": self.colour, "marker": self.marker, "linewidths": line, "edgecolors": self.edge}
        return {"facecolors": "none", "marker": self.marker, "linewidths": 2.2 * line, "edgecolors": self.colour}

    def legend(self) -> dict[str, Any]:
        """Arguments of `Line2D`, for a legend."""
        shown = {"marker": self.marker, "linestyle": "", "color": self.colour}
        if self.filled:
            return {**shown, "markeredgecolor": self.edge, "markeredgewidth": 0.4}
        return {**shown, "markerfacecolor": "none", "markeredgewidth": 0.9}

    @property
    def edge(self) -> str:
        """The colour, darker."""
        return blend(self.colour, "#000000", 0.45)


def class_look(label: int, classes: int, theme: Theme) -> Look:
    """The colour and the marker of a class: both differ for any two of up to ten, one of them for any of up to 264."""
    return Look(theme.classes.colour(label, classes), *_MARKERS[SHAPES[label % len(SHAPES)]])


def signed_map(theme: Theme) -> Colormap:
    """Blue for -1 through the paper's own shade at 0 to orange for +1; grey where there is no value."""
    colours = LinearSegmentedColormap.from_list(
        "signed", [theme.classes.low, theme.classes.middle, theme.classes.high], N=255
    )
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


def clean(name: str, at_most: int = 24) -> str:
    """A text as it can be drawn: one line, not longer than `at_most`, no formula, no missing glyph."""
    line = _line(name)
    return _drawable(shorten([line], at_most)[0], fonts_for(frozenset(line))[1])


def clean_all(names: Sequence[str], at_most: int = 24) -> list[str]:
    """Names of classes as they can be drawn, shortened so that they still differ; see `_join_fonts`.

    A name that is mostly in a script that no font has becomes `class 7`.
    """
    lines = [_line(name) for name in names]
    drawn = _join_fonts(lines)
    known = [_drawable(text, drawn) for text in shorten(lines, at_most)]
    return [
        text if text and 2 * text.count(_MISSING) <= len(text) else f"class {index}" for index, text in enumerate(known)
    ]


def _join_fonts(texts: Sequence[str]) -> frozenset[str]:
    """The installed fonts that texts need besides matplotlib's own join those of the picture that is being drawn.

    Returns:
        the characters that they draw.
    """
    families, drawn = fonts_for(frozenset("".join(texts)))
    rcParams["font.family"] = list(dict.fromkeys([*rcParams["font.family"], *families]))
    return drawn


def _line(name: str) -> str:
    return " ".join(name.split())


def _drawable(text: str, drawn: frozenset[str]) -> str:
    shown = (c if c.isprintable() and (c in drawn or own_font_has(c)) else _MISSING for c in text)
    return "".join(shown).replace("$", r"\$")


def signed(value: float) -> str:
    """`+0.03`, `−0.99` or `0.00`, with a true minus sign."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


@dataclass(frozen=True)
class Caption:
    """What a picture shows, for its header."""

    data: str
    """The data set, or the preset for it."""
    step: int
    images: int
    split: str = "validation"
    run: str = ""

    def __str__(self) -> str:
        """`run demo · digits · step 400 · 143 validation images`."""
        return f"{named(self.run, self.data)} · step {self.step:,} · {self.images:,} {self.split} images"


def named(run: str, data: str) -> str:
    """`run demo · digits`: where a picture comes from."""
    return (f"run {clean(run, 40)} · " if run else "") + clean(data, 40)


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
    _join_fonts([title, caption, *notes])
    top = height + header

    def write(text: str, down: float, size: float, colour: str, weight: str = "normal") -> None:
        figure.text(
            0.12 / width,
            1 - down / top,
            text,
            fontsize=size,
            color=colour,
            fontweight=weight,
            ha="left",
            va="top",
            in_layout=False,
        )

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
