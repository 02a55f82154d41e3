import numpy as np
import pytest
from matplotlib.figure import Figure

from simo2_core.analysis.few_shot import Estimate
from simo2_core.analysis.plots.compare import Score, draw_arms, draw_course
from simo2_core.analysis.plots.evaluation import DotRow, draw_scores


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    return figures


def test_an_interval_stays_in_its_panel_and_an_arrow_says_that_it_goes_on(tmp_path, drawn):
    values = {"one": np.array([0.97, 0.98]), "two": np.array([0.971, 0.972]), "three": np.array([0.97])}
    scores = [Score("kNN", values, {"one": 0.064, "two": 0.002, "three": float("nan")}, share=True)]
    draw_arms(tmp_path / "x.png", scores, "a caption")
    [axes] = [axes for axes in drawn[0].axes if axes.get_visible()]
    low, high = axes.get_xlim()
    bars = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    assert all(low < x < high for bar in bars for x in bar.get_xdata())
    ends = {
        line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">", "|") and line.get_ydata()[0] == 0
    }
    assert ends == {"<", ">"}, "wider than the panel"
    ends = {
        line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">", "|") and line.get_ydata()[0] == 1
    }
    assert ends == {"|"}, "all of it is in the panel"


def test_the_interval_of_a_share_ends_at_none_and_at_all(tmp_path, drawn):
    scores = {
        name: {"a": Estimate(0.99, 0.03), "b": Estimate(0.01, 0.02)}
        for name in ("representation", "projection", "raw_pixels", "random_representation", "random_projection")
    }
    draw_scores(tmp_path / "x.png", scores, [DotRow("a", "a"), DotRow("b", "b")], "a caption", [])
    for container in drawn[0].axes[0].containers:
        [bars] = container.lines[2]
        (one, two) = (segment[:, 0] for segment in bars.get_segments())
        assert one.tolist() == pytest.approx([0.96, 1.0])
        assert two.tolist() == pytest.approx([0.0, 0.03])


@pytest.mark.parametrize(("longest", "unit", "end"), [(599.0, "seconds", 599.0), (3600.0, "minutes", 60.0)])
def test_long_runs_are_told_in_minutes(tmp_path, drawn, longest, unit, end):
    short, long = (np.array([1.0, seconds]) for seconds in (30.0, longest))
    accuracy = np.array([0.5, 0.9])
    draw_course(tmp_path / "x.png", {"one": [(short, accuracy)], "none": [], "two": [(long, accuracy)]}, "a caption")
    [axes] = drawn[0].axes
    assert axes.get_xlabel().startswith(f"{unit} of training")
    assert max(line.get_xdata()[-1] for line in axes.lines) == pytest.approx(end)
