"""Lines of words and numbers: status, latest values, log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from textual.binding import Binding, BindingType
from textual.content import Content

from simo2_core.run.state import State
from simo2_core.short_names import MARK
from simo2_tui.escape import steady
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import ACCENT, ALERT, FAINT, GOOD, MUTED, TEXT, WARN, Glyphs
from simo2_tui.widgets.view import CellsView

Span = tuple[str, int]
"""Text and its ink."""

NARROWEST = 20
"""Columns beside the time from which on a line of the log is broken into rows; in fewer it is cut."""

TONE = {
    **dict.fromkeys((State.TRAINING, State.COMPLETED, State.SETTLED), GOOD),
    **dict.fromkeys((State.COMPILING, State.PREPARING, State.STOPPED), ACCENT),
    **dict.fromkeys((State.PAUSED, State.STOPPING, State.INTERRUPTED), WARN),
    **dict.fromkeys((State.DIVERGED, State.FAILED, State.DEAD, State.DAMAGED, State.SILENT), ALERT),
    **dict.fromkeys((State.EMPTY, State.READING), MUTED),
}
"""The ink of each state."""


def state_style(state: State, table: Sequence[str]) -> str:
    """The style of a state in a list: that of its ink in the table, bold while a process is at work on the run."""
    return ("bold " if state.running else "") + table[TONE[state]]


def duration(seconds: float | None) -> str:
    """`0:07`, `12:34`, `3:05:10`, `2d 4h`, or `?` when it is not known."""
    if seconds is None or seconds != seconds or seconds < 0 or seconds == float("inf"):
        return "?"
    whole = int(seconds + 0.5)
    if whole >= 86_400:
        return f"{whole // 86_400}d {whole % 86_400 // 3600}h"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def ago(seconds: float | None) -> str:
    """A rough age in one word: `8s`, `5m`, `3h`, `2d`; a second more changes few cells of a slow link."""
    if seconds is None:
        return "none"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def bar(share: float, width: int, glyphs: Glyphs) -> list[Span]:
    """A progress bar of `width` cells."""
    full = round(max(0.0, min(1.0, share)) * width)
    filled, rest = ("━", "─") if glyphs.braille else ("#", "-")
    return [(filled * full, GOOD), (rest * (width - full), FAINT)]


def span_width(spans: Iterable[Span]) -> int:
    """Columns that spans take one after another."""
    return sum(cell_len(steady(text)) for text, _ in spans)


def wrapped(text: str, width: int) -> list[str]:
    """A text in rows of at most `width` cells, broken between words, and in a word where it alone is wider."""
    rows = [""]
    for word in steady(text).split():
        longer = f"{rows[-1]} {word}" if rows[-1] else word
        if cell_len(longer) <= width:
            rows[-1] = longer
        else:
            rows += chop_cells(word, width)
    return [row for row in rows if row]


def write_spans(cells: Cells, row: int, spans: Sequence[Span]) -> None:
    """Writes spans one after another, and a mark at the edge where they go on beyond it."""
    column = 0
    for text, ink in spans:
        column = cells.write(row, column, text, ink)
        if column > cells.width:
            cells.write(row, cells.width - 1, MARK, ink)
            break


class Lines(CellsView):
    """Rows of spans, made by a function of the width."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._make: Callable[[int, Glyphs], Sequence[Sequence[Span]]] = lambda width, glyphs: ()

    def show(self, make: Callable[[int, Glyphs], Sequence[Sequence[Span]]]) -> None:
        """Takes a function from (width, glyphs) to rows."""
        self._make = make
        self.redraw()

    def draw(self, width: int, height: int) -> Cells:
        cells = Cells(width, height)
        for row, spans in enumerate(self._make(width, self.glyphs)[:height]):
            write_spans(cells, row, spans)
        return cells


class LogView(CellsView, can_focus=True):
    """The newest lines of a log; `up` and `down` look back."""

    SECTION = "log"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_by(1)", "older", show=False),
        Binding("down", "scroll_by(-1)", "newer", show=False),
        Binding("pageup", "scroll_by(10)", "older", show=False),
        Binding("pagedown", "scroll_by(-10)", "newer", show=False),
        Binding("end", "scroll_by(-1000000)", "newest", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[tuple[float, str]] = ()
        self._back = 0
        self._wanted = ""

    def show(self, lines: Sequence[tuple[float, str]]) -> None:
        """Takes all lines (seconds since 1970, text); the newest is last."""
        if self._back and not self._wanted:
            # what is being read stays where it is
            self._back += sum(len(self._rows(line)) for line in lines[len(self._lines) :])
        self._lines = list(lines)
        self.redraw()

    def filter(self, wanted: str) -> None:
        """Shows only the lines with `wanted` in them, in any case."""
        self._wanted, self._back = wanted.lower(), 0
        self.border_subtitle = Content(f"filter: {wanted}" if wanted else "")
        self.redraw()

    def _rows(self, line: tuple[float, str]) -> list[list[Span]]:
        """A line in rows: its time, then its words, which go on in the next row where one is too short."""
        when, text = line
        stamp = time.strftime("%H:%M:%S ", time.localtime(when))
        bad = " warning " in text or " diverged" in text or " failed" in text
        room = self.size.width - len(stamp)
        words = wrapped(text, room) if room >= NARROWEST else [text]
        return [
            [(" " * len(stamp) if row else stamp, MUTED), (part, WARN if bad else TEXT)]
            for row, part in enumerate(words)
        ]

    def draw(self, width: int, height: int) -> Cells:
        cells = Cells(width, height)
        lines = [line for line in self._lines if self._wanted in line[1].lower()] if self._wanted else self._lines
        rows: list[list[Span]] = []
        for line in reversed(lines):  # from the newest, as far as is shown
            rows[:0] = self._rows(line)
            if len(rows) >= height + self._back:
                break
        self._back = max(0, min(self._back, len(rows) - height))
        end = len(rows) - self._back
        for row, spans in enumerate(rows[max(0, end - height) : end]):
            write_spans(cells, row, spans)
        return cells

    def action_scroll_by(self, lines: int) -> None:
        self._back = max(0, self._back + lines)
        self.redraw()


def pairs_line(items: Sequence[tuple[str, str]], width: int, glyphs: Glyphs, bad: Collection[str] = ()) -> list[Span]:
    """Names and values, as many whole pairs as fit; the values of the names in `bad` in the ink of alarms."""
    spans: list[Span] = []
    used = 0
    gap = "  " if width < 100 else "   "
    for name, value in items:
        pair: list[Span] = [(f"{gap if used else ''}{name} ", MUTED), (value, ALERT if name in bad else TEXT)]
        if used and used + span_width(pair) > width:
            break
        spans += pair
        used += span_width(pair)
    return spans
