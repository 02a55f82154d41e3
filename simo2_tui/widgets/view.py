"""The thin Textual side of every renderer: keep a grid of cells, send only the cells that changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.app import App
from textual.strip import Strip
from textual.widget import Widget

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import ASCII, UNICODE, Glyphs, colours, colours_16, colours_256


def table_of(app: App[Any]) -> tuple[str, ...]:
    """The colour of every ink, for the app's theme and its terminal."""
    theme = app.current_theme
    if app.console.color_system == "standard":
        return colours_16(theme.dark)
    table = colours_256 if app.console.color_system == "256" else colours
    return table(theme.dark, "contrast" in theme.name)


def glyphs_of(app: App[Any]) -> Glyphs:
    """The characters that an app allows, which sets `ascii_only`, and whether its colours are seen."""
    glyphs = ASCII if getattr(app, "ascii_only", False) else UNICODE
    return replace(glyphs, colour=False) if app.no_color else glyphs


class CellsView(Widget):
    """A widget drawn by `draw(width, height)`. Call `redraw` when its data have changed."""

    ALLOW_SELECT = False
    SECTION = ""
    """Which section of the help tells its keys."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._cells: Cells | None = None

    @property
    def glyphs(self) -> Glyphs:
        """The characters that this app allows."""
        return glyphs_of(self.app)

    def draw(self, width: int, height: int) -> Cells:
        """The widget's content in `width` × `height` cells."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draws again and repaints the cells that differ, and nothing when none does."""
        width, height = self.size
        if not (width and height and self.is_mounted and self.display):
            return
        cells = self.draw(width, height)
        regions = cells.changes(self._cells)
        self._cells = cells
        if regions is None:
            self.refresh()
        elif regions:
            self.refresh(*regions)

    def on_resize(self) -> None:
        self.redraw()

    def on_show(self) -> None:
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self._cells is not None:
            self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._cells is None or self._cells.height != self.size.height or self._cells.width != self.size.width:
            width, height = self.size
            self._cells = self.draw(width, height)
        if y >= self._cells.height:
            return Strip.blank(self.size.width, self.rich_style)
        return self._cells.strip(y, table_of(self.app), self.rich_style)
