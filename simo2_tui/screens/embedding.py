"""The embedding, large: where the classes lie, which are not orthogonal, and how it came to be."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer

from simo2_core.analysis.geometry import mean_squared_cosine
from simo2_core.analysis.snapshot import read_thumbnails
from simo2_core.events import EmbeddingSnapshot
from simo2_core.loss_floor import welch_floor
from simo2_tui.screens import readings
from simo2_tui.screens.base import ConsoleScreen
from simo2_tui.screens.host import host_of
from simo2_tui.session.base import Session
from simo2_tui.session.snapshot import Projector, ShownSnapshot, read_snapshot
from simo2_tui.session.tsne import Layouts
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.embedding_views import ClassLegend, CosineHistogram, HeatMap, ScatterPlot
from simo2_tui.widgets.keybar import KeyBar
from simo2_tui.widgets.names import shown_names
from simo2_tui.widgets.palette import ACCENT, ALERT, MUTED, TEXT, Glyphs
from simo2_tui.widgets.text import Lines, Span
from simo2_tui.widgets.thumbnails import Thumbnail, ThumbnailRow
from simo2_tui.widgets.view import glyphs_of

VIEWS = ("cloud", "heat", "cosines")
"""What the keys 1 to 3 show where not all fit."""

TARGETS = ("#scatter", "#heat", "#histogram")
"""What each of them gives the keys to."""

PAUSE = 0.2
"""Seconds that a point stays framed before its pictures are drawn."""

SQUARE = 0.005
"""Cosines smaller than this round to 0: such a pair needs no line."""

KEPT = 64
"""Snapshots held in memory while scrubbing."""


class EmbeddingScreen(ConsoleScreen):
    """Scatter left; class similarity, cosines and the worst pairs right; the loss with the snapshot's step below."""

    SECTION = "embedding"
    FOCUS_FIRST = "#scatter"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("comma", "scrub(-1)", "earlier", key_display=",", tooltip="earlier snapshot"),
        Binding("full_stop", "scrub(1)", "later", key_display=".", tooltip="later snapshot"),
        Binding("x", "reduce", "t-SNE/PCA"),
        Binding("n", "class(1)", "next class"),
        Binding("p", "class(-1)", "previous class", show=False),
        Binding("i", "isolate", "isolate"),
        *[Binding(str(i + 1), f"view({i})", f"pane {i + 1}: {VIEWS[i]}", show=False) for i in range(len(VIEWS))],
        Binding("escape", "back", "back", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._index: int | None = None
        """The snapshot shown, or None to follow the newest."""
        self._drawn: tuple[str, str] = ("", "")
        self._view = 0
        self._projector = Projector()
        self._cache: OrderedDict[str, ShownSnapshot] = OrderedDict()
        self._layouts: Layouts | None = None
        self._want_tsne = False
        self._version = -1
        self._thumbnails: NDArray[np.uint8] | None = None
        self._pictures_due: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="status")
        with Horizontal(id="body"):
            with Vertical(id="cloud", classes="pane"):
                yield ScatterPlot(id="scatter")
                yield ClassLegend(id="legend")
            with Vertical(id="side"):
                yield HeatMap(id="heat", classes="pane")
                with Vertical(id="cosines", classes="pane"):
                    yield CosineHistogram(id="histogram")
                    yield Lines(id="worst")
        yield ThumbnailRow(id="nearest")
        yield CurveChart(id="loss", classes="pane", empty="no steps yet")
        yield KeyBar()

    def begin(self) -> None:
        titles = {
            "cloud": "1 embedding",
            "heat": "2 class similarity",
            "cosines": "3 cosines of pairs",
            "loss": "loss",
            "nearest": "nearest images",
        }
        self.query_one("#nearest").add_class("pane")
        for name, title in titles.items():
            self.query_one(f"#{name}").border_title = Content(title)
        self._apply_view()
        self.query_one("#scatter").focus()

    def resized(self, event: events.Resize) -> None:
        self._draw_again()

    def focus_target(self) -> str:
        return TARGETS[self._view]

    def _at(self) -> EmbeddingSnapshot | None:
        """The snapshot that is shown."""
        snapshots = self.session.history.snapshots
        if not snapshots:
            return None
        return snapshots[-1 if self._index is None else min(self._index, len(snapshots) - 1)]

    def draw_new(self) -> None:
        link, spent = host_of(self).refreshing.words
        self.query_one("#status", Lines).show(
            lambda width, glyphs: [readings.status_spans(self.session, width, glyphs, link=link, spent=spent)]
        )
        at = self._at()
        if at is not None and (at.path, self._reduced(at)) != self._drawn:
            self._show(at)
        history = self.session.history
        if self._version != history.version:
            self._version = history.version
            self._show_loss(at)

    def _show(self, at: EmbeddingSnapshot) -> None:
        snapshot = self._read(at)
        if snapshot is None:
            return
        reduced = self._layouts.points(at.path) if self._want_tsne and self._layouts is not None else None
        waiting = self._reduced(at)
        self._drawn = (at.path, waiting)
        points = self._projector.project(snapshot.z_nd) if reduced is None else reduced
        scatter = self.query_one("#scatter", ScatterPlot)
        scatter.show(points, snapshot.labels_n, snapshot.class_names)
        self.query_one("#legend", ClassLegend).show(snapshot.class_names, scatter.isolated)
        self.query_one("#heat", HeatMap).show(snapshot.similarity_cc, snapshot.class_names)
        self.query_one("#histogram", CosineHistogram).show(
            snapshot.cosines.same,
            snapshot.cosines.different,
            (snapshot.cosines.same_mean, snapshot.cosines.different_mean),
        )
        self.query_one("#worst", Lines).show(lambda width, glyphs: _worst_rows(snapshot, glyphs))
        cloud = self.query_one("#cloud")
        self._show_nearest()
        place = f"{self._index + 1} of {len(self.session.history.snapshots)}" if self._index is not None else "newest"
        cloud.border_title = Content(f"1 embedding · {'PCA' if reduced is None else 't-SNE'}")
        alone = self.has_class("-narrow") or self.has_class("-tiny")
        hint = f" · 1-{len(VIEWS)} choose a pane" if self.has_class("-narrow") else ""
        cloud.border_subtitle = Content(
            waiting or f"step {snapshot.step} · {len(points):,} validation images · {place}{hint}"
        )
        for name in ("heat", "cosines"):  # beside the cloud it says the step for all
            self.query_one(f"#{name}").border_subtitle = Content(
                f"step {snapshot.step} · {place}{hint}" if alone else ""
            )

    def on_scatter_plot_picked(self, event: ScatterPlot.Picked) -> None:
        event.stop()
        self.set_class(event.index is not None, "-picked")
        # A key that is held down frames many points, and pictures are the dearest thing on the link.
        if self._pictures_due is not None:
            self._pictures_due.stop()
        self._pictures_due = self.set_timer(PAUSE, self._show_nearest)

    def _show_nearest(self) -> None:
        """The image of the framed point, then those nearest to it in the embedding."""
        picked, at, run = self.query_one("#scatter", ScatterPlot).picked, self._at(), self.session.run
        if picked is None or at is None or run is None:
            return
        snapshot = self._read(at)
        row = self.query_one("#nearest", ThumbnailRow)
        if snapshot is None or picked >= len(snapshot.labels_n):
            return
        if self._thumbnails is None:
            self._thumbnails = read_thumbnails(run)
        name = snapshot.class_names[snapshot.labels_n[picked]]
        row.border_title = Content(f"image {picked}, {name}, and the nearest by cosine at step {snapshot.step}")
        if self._thumbnails is None or len(self._thumbnails) != len(snapshot.labels_n):
            row.show((), "This run kept no thumbnails: a simo2 of this version writes them at its first evaluation.")
            return
        found = snapshot.nearest(picked, max(0, row.room - 1))
        names = shown_names(snapshot.class_names, row.columns - len("+0.99 "), glyphs_of(self.app))
        row.show(_thumbnails(snapshot, names, self._thumbnails, picked, found))
        others = sum(snapshot.labels_n[index] != snapshot.labels_n[picked] for index, _ in found)
        row.border_subtitle = Content(f"{len(found) - others} of {len(found)} of the same class")

    def _show_loss(self, at: EmbeddingSnapshot | None) -> None:
        history, chart = self.session.history, self.query_one("#loss", CurveChart)
        if chart.size.width:
            series = readings.loss_series(history, "sum", self.session.config.objective)
            chart.show(series[:1], newest=float(history.step), limit=history.total_steps)
            chart.point_at(float(at.step) if at is not None and self._index is not None else None)

    def _read(self, at: EmbeddingSnapshot) -> ShownSnapshot | None:
        run = self.session.run
        if at.path not in self._cache and run is not None:
            snapshot = read_snapshot(run.path / at.path)
            if snapshot is None:
                return None
            self._cache[at.path] = snapshot
            if len(self._cache) > KEPT:
                self._cache.popitem(last=False)
        return self._cache.get(at.path)

    def _reduced(self, at: EmbeddingSnapshot) -> str:
        """Sees that all snapshots are laid out, the one shown and those around it first; says what it waits for.

        Empty where there is nothing to wait for. A snapshot may be left before its turn comes, so all are wanted.
        """
        run = self.session.run
        if not self._want_tsne or run is None:
            return ""
        if self._layouts is None:
            self._layouts = Layouts(run.path)
        names = [snapshot.path for snapshot in self.session.history.snapshots]
        done = self._layouts.count(names)
        if done < len(names):
            here = next((index for index, name in enumerate(names) if name == at.path), len(names) - 1)
            near = sorted(range(len(names)), key=lambda index: (abs(index - here), index))
            self._layouts.want([names[index] for index in near])
        if self._layouts.points(at.path) is not None:
            return ""
        failed = self._layouts.reason(at.path)
        if failed:
            return f"step {at.step} · PCA, for t-SNE failed: {failed}"
        return f"step {at.step} · PCA until its t-SNE is there, {done} of {len(names)} are"

    def _apply_view(self) -> None:
        for index in range(len(VIEWS)):
            self.set_class(index == self._view, f"-view-{index + 1}")
        self._draw_again()

    def _draw_again(self) -> None:
        """Once the new layout has given every view its size."""
        self._drawn = ("", "-")
        self._version = -1
        self.call_after_refresh(self.poll)

    def action_view(self, index: int) -> None:
        """Shows one of the three views, where not all fit, and gives it the keys."""
        self._view = index
        self._apply_view()
        self.query_one(self.focus_target()).focus()

    def action_scrub(self, by: int) -> None:
        """Goes back or forth through the snapshots; past the newest it follows again."""
        count = len(self.session.history.snapshots)
        if not count:
            return
        at = (count - 1 if self._index is None else self._index) + by
        self._index = None if at >= count else max(0, at)
        self._version = -1
        self._drawn = ("", "-")
        self.poll()

    def action_reduce(self) -> None:
        """Changes between PCA and t-SNE; t-SNE runs in a process of its own."""
        self._want_tsne = not self._want_tsne
        self._drawn = ("", "-")
        self.poll()

    def on_unmount(self) -> None:
        if self._layouts is not None:
            self._layouts.close()

    def action_class(self, by: int) -> None:
        """Isolates the next or the previous class."""
        self.query_one("#scatter", ScatterPlot).action_class(by)

    def action_isolate(self) -> None:
        """Isolates a class, or shows all."""
        self.query_one("#scatter", ScatterPlot).action_isolate()

    def on_scatter_plot_isolated(self, event: ScatterPlot.Isolated) -> None:
        self.query_one("#legend", ClassLegend).show(event.class_names, event.label)

    def action_back(self) -> None:
        """Lets go of the framed point; then back to where it was opened."""
        scatter = self.query_one("#scatter", ScatterPlot)
        if scatter.picked is not None:
            scatter.pick(None)
            return
        self.app.pop_screen()


def _thumbnails(
    snapshot: ShownSnapshot,
    names: Sequence[str],
    images: NDArray[np.uint8],
    picked: int,
    found: list[tuple[int, float]],
) -> list[Thumbnail]:
    label = int(snapshot.labels_n[picked])
    items = [Thumbnail(images[picked], names[label], ACCENT)]
    for index, cosine in found:
        other = int(snapshot.labels_n[index])
        caption = f"{cosine:+.2f} {names[other]}"
        items.append(Thumbnail(images[index], caption, MUTED if other == label else ALERT))
    return items


def _worst_rows(snapshot: ShownSnapshot, glyphs: Glyphs) -> list[list[Span]]:
    """How orthogonal the classes are in all, and the pairs furthest from it, one a row."""
    floor = welch_floor(len(snapshot.class_names), snapshot.z_nd.shape[1])
    rows: list[list[Span]] = [
        [
            ("mean cos² of classes " if glyphs.braille else "mean cos^2 of classes ", MUTED),
            (f"{mean_squared_cosine(snapshot.similarity_cc):.3f}", TEXT),
            (f", at least {floor:.3f} (Welch)" if floor else ", 0 is possible", MUTED),
        ]
    ]
    short = dict(zip(snapshot.class_names, shown_names(snapshot.class_names, 14, glyphs), strict=True))
    for first, second, value in snapshot.confused_pairs(8):
        if abs(value) < SQUARE:
            break
        rows.append(
            [
                (f"{value:+.2f} ", ALERT if abs(value) > 0.5 else TEXT),
                (f"{short[first]} ", TEXT),
                ("· " if glyphs.braille else "- ", MUTED),
                (short[second], TEXT),
            ]
        )
    return rows
