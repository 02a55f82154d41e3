"""The embedding: points, snapshots over time, the heat map, the images of a point."""

from pathlib import Path

import numpy as np
import pytest

from simo2_core.session import run_of_weights
from simo2_tui.app import Console
from simo2_tui.screens import embedding as embedding_screen
from simo2_tui.screens.embedding import EmbeddingScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.session.snapshot import read_snapshot
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.embedding_views import HeatMap, ScatterPlot
from simo2_tui.widgets.heatmap import similarity_order
from tests.peers.compare import read_answers, write_weights
from tests.simo2_tui.screen_text import SIZES, text_of, until

GOLDEN = Path(__file__).parents[1] / "simo2_core" / "golden" / "peers.json.xz"


@pytest.mark.parametrize("size", SIZES)
async def test_the_embedding_screen_shows_the_classes(watch, size):
    app = watch()
    async with app.run_test(size=size) as pilot:
        await pilot.press("E")
        await pilot.pause(0.1)
        assert isinstance(app.screen, EmbeddingScreen)
        assert "●" in text_of(app)
        await pilot.press("2")
        await pilot.pause(0.1)
        assert "cos(" in text_of(app) or size[0] < 60
        await pilot.press("escape")
        assert isinstance(app.screen, MonitorScreen)


async def test_scrubbing_goes_through_the_snapshots_and_follows_again(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E")
        await pilot.pause(0.1)
        assert "step 280" in text_of(app)
        await pilot.press("comma", "comma")
        await pilot.pause(0.1)
        assert "step 200" in text_of(app)
        assert app.screen.query_one("#loss", CurveChart).view.cursor == 200, "the loss cursor is linked"
        await pilot.press(*["full_stop"] * 3)
        await pilot.pause(0.1)
        assert "newest" in text_of(app)
        await pilot.press("n", "n")
        assert app.screen.query_one("#scatter", ScatterPlot).isolated == 1
        await pilot.press("i")
        assert app.screen.query_one("#scatter", ScatterPlot).isolated is None


async def test_pretrained_weights_show_their_embedding_though_no_step_was_taken(tmp_path):
    weights = write_weights(tmp_path / "weights", read_answers(GOLDEN)["timm dinov2"])
    run_of_weights(str(weights), "digits", tmp_path / "runs", image_size=12)
    app = Console(tmp_path / "runs")
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: "vit_small-digits" in text_of(app))
        assert "stopped" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: "step 0 · 143 validation images" in text_of(app))
        assert "the weights are as they were; simo2 resume trains them" in text_of(app)
        assert "nan" not in text_of(app)
        await pilot.press("E", "right")
        await until(pilot, lambda: "▀" in text_of(app))
        assert "nearest by cosine at step 0" in text_of(app)
        assert "kept no thumbnails" not in text_of(app)


@pytest.mark.parametrize("size", SIZES)
async def test_arrows_pick_a_point_and_show_the_images_nearest_to_it(watch, size):
    app = watch()
    async with app.run_test(size=size) as pilot:
        await pilot.press("E", "right", "right")
        await until(pilot, lambda: "▀" in text_of(app))
        picked = app.screen.query_one("#scatter", ScatterPlot).picked
        assert picked is not None
        shown = text_of(app)
        assert "[" in shown, "the point is framed"
        room = app.screen.query_one("#histogram").size
        assert not room.height or room.height > 4, "beside the pictures both histograms have a row, and the axis one"
        snapshot = read_snapshot(app.session.run.embeddings / "280.npz")
        nearest, cosine = snapshot.nearest(picked, 1)[0]
        words = f"{cosine:+.2f} {snapshot.class_names[snapshot.labels_n[nearest]]}"[:9]
        await until(pilot, lambda: words in text_of(app))
        await pilot.press("comma")
        # the neighbours go back in time as well
        await until(pilot, lambda: "240" in str(app.screen.query_one("#nearest").border_title))
        await pilot.press("escape")
        await until(pilot, lambda: "▀" not in text_of(app))
        assert isinstance(app.screen, EmbeddingScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, MonitorScreen)


async def test_a_point_can_be_picked_on_the_monitor_too(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("5", "left")
        await pilot.pause(0.1)
        assert "E shows those nearest" in text_of(app)
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert "140 validation images" in text_of(app)
        assert isinstance(app.screen, MonitorScreen)


async def test_a_run_without_thumbnails_says_so(watch):
    app = watch()
    (app.session.run.embeddings / "thumbnails.npz").unlink()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "up")
        await until(pilot, lambda: "kept no thumbnails" in text_of(app))


async def test_the_rows_of_the_heat_map_stay_until_they_are_sorted_anew(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "2")
        await pilot.pause(0.1)
        heat = app.screen.query_one("#heat", HeatMap)
        order = heat._order.tolist()
        for _ in range(6):
            await pilot.press("comma")
            assert heat._order.tolist() == order
        await pilot.press("o")
        assert heat._order.tolist() == list(range(10))
        await pilot.press("o")
        assert heat._order.tolist() == similarity_order(heat._matrix_cc).tolist()


async def test_every_snapshot_gets_its_tsne_ahead_and_what_it_waits_for_is_said(watch, monkeypatch):
    asked = []

    class Slow:
        """Lays out one snapshot each time it is looked at, once it may."""

        may = False

        def __init__(self, run):
            self.made = {}

        def points(self, name):
            return self.made.get(name)

        def reason(self, name):
            return ""

        def count(self, names):
            return len(self.made)

        def want(self, names):
            asked.append(names)
            left = [name for name in names if name not in self.made]
            if self.may and left:
                self.made[left[0]] = np.zeros((140, 2))

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(embedding_screen, "Layouts", Slow)
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "comma", "comma", "x")
        cloud = app.screen.query_one("#cloud")
        assert "step 200 · PCA until its t-SNE is there, 0 of 7 are" in str(cloud.border_subtitle)
        assert [name.split("/")[1] for name in asked[-1][:4]] == ["200.npz", "160.npz", "240.npz", "120.npz"]
        Slow.may = True
        for _ in range(8):
            app.screen.poll()
        assert str(cloud.border_title) == "1 embedding · t-SNE"
        await pilot.press("comma")
        assert str(cloud.border_title) == "1 embedding · t-SNE", "computed ahead"
        assert "step 160" in str(cloud.border_subtitle)
        await pilot.press("escape")
        await pilot.pause(0.1)
    assert asked[-1] == "closed"


async def test_the_heat_map_spells_out_the_pair_under_its_cursor(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "2", "o", "right")
        await pilot.pause(0.1)
        assert app.screen.query_one("#heat", HeatMap).has_focus
        assert "cos(zero, one)" in text_of(app)


async def test_the_heat_map_alone_has_all_the_room_and_says_its_step(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("E", "2")
        await pilot.pause(0.05)
        assert "step 280 · newest" in text_of(app)
        assert app.screen.query_one(HeatMap).size.height > 15
        await pilot.press("3")
        await pilot.pause(0.05)
        assert "step 280 · newest" in text_of(app)
