"""How long a redraw takes and how much of it travels; run by name: pytest tests/benchmarks/test_charts.py -s."""

import time

import numpy as np

from simo2_tui.widgets.curve import Series, View, render_curves
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
