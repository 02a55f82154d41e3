import pytest

from simo2_tui.widgets.palette import UNICODE
from simo2_tui.widgets.text import ago, bar, duration, pairs_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7, "0:07"), (754.4, "12:34"), (11_110, "3:05:10"), (190_000, "2d 4h"), (None, "?"), (float("nan"), "?"),
     (float("inf"), "?"), (-1, "?")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(8.9, "8s"), (61, "1m"), (7200, "2h"), (200_000, "2d"), (None, "none")])
def test_ages(seconds, text):
    assert ago(seconds) == text


@pytest.mark.parametrize("share", [-1, 0, 0.3, 1, 7])
def test_a_bar_is_as_wide_as_asked(share):
    assert sum(len(text) for text, _ in bar(share, 20, UNICODE)) == 20


def test_only_whole_pairs_are_written():
    spans = pairs_line([("loss", "812"), ("kNN", "99.2%"), ("raw", "97.2%")], 22, UNICODE)
    assert "".join(text for text, _ in spans) == "loss 812  kNN 99.2%"
