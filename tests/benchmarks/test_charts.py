"""How long a redraw takes and how much of it travels; run by name: pytest tests/benchmarks/test_charts.py -s."""

import time

import numpy as np

from simo2_core.analysis.geometry import class_gram
from simo2_tui.session.snapshot import Projector
from simo2_tui.widgets.curve import Series, View, render_curves
from simo2_tui.widgets.heatmap import render_heatmap
from simo2_tui.widgets.scatter import render_scatter


def best_of(function, times=7):
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return min(spent)


def test_a_hundred_thousand_points_at_200x60():
    y = np.random.default_rng(0).normal(size=100_040).cumsum()
    x = np.arange(1.0, len(y) + 1)
    view = View(high=150_000)
    seconds = best_of(lambda: render_curves([Series("total", x, y, 0)], view, 200, 60))
    before = render_curves([Series("total", x[:100_000], y[:100_000], 0)], view, 200, 60)
    after = render_curves([Series("total", x, y, 0)], view, 200, 60)
    # A cell is at most 3 bytes of UTF-8; a run costs a cursor move and two colours, some 45 bytes.
    sent = sum(region.width * 3 + 45 for region in after.changes(before))
    print(f"\n100k points at 200x60: {seconds * 1000:.1f} ms, about {sent} bytes for 40 more")
    assert seconds < 0.020
    assert sent < 5_000


def test_a_scatter_of_two_thousand_points():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(2000, 2)), rng.integers(0, 100, 2000).astype(np.int32)
    names = [f"class{i}" for i in range(100)]
    seconds = best_of(lambda: render_scatter(points, labels, names, 200, 60))
    print(f"\n2,000 points at 200x60: {seconds * 1000:.1f} ms")
    assert seconds < 0.020


def test_a_snapshot_of_two_hundred_classes():
    """What the monitor and the embedding screen do for each: 128 dimensions, 2,000 images."""
    rng = np.random.default_rng(0)
    labels = (np.arange(2000) % 200).astype(np.int32)
    z = rng.normal(size=(200, 128))[labels] + 0.5 * rng.normal(size=(2000, 128))
    z = (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    names = [f"species_{label:03d}" for label in range(200)]
    gram, order = class_gram(z, labels, 200), np.arange(200)
    seconds = {
        "projected": best_of(lambda: Projector().project(z)),
        "cosines": best_of(lambda: class_gram(z, labels, 200)),
        "points and names": best_of(lambda: render_scatter(z[:, :2].astype(float), labels, names, 95, 34)),
        "heat map": best_of(lambda: render_heatmap(gram, names, 80, 22, order=order)),
    }
    print("\n200 classes:", ", ".join(f"{name} {1000 * spent:.1f} ms" for name, spent in seconds.items()))
    assert sum(seconds.values()) < 0.040
