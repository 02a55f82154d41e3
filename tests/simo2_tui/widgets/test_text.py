import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import UNICODE
from simo2_tui.widgets.text import ago, bar, duration, pairs_line, span_width, wrapped, write_spans


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


def test_wide_characters_count_twice():
    spans = pairs_line([("猫", "犬犬"), ("kNN", "99.2%"), ("raw", "97.2%")], 18, UNICODE)
    assert "".join(text for text, _ in spans) == "猫 犬犬  kNN 99.2%"
    assert span_width(spans) == 18
    assert wrapped("step 3 猫の写真を読む eval", 14) == ["step 3", "猫の写真を読む", "eval"]


@given(st.text(max_size=60), st.integers(2, 30))
def test_a_wrapped_text_fits_and_loses_no_word(text, width):
    rows = wrapped(text, width)
    assert all(cell_len(row) <= width for row in rows)
    if text.isascii():
        assert "".join("".join(rows).split()) == "".join(text.split())


def test_a_row_that_goes_on_beyond_the_edge_says_so():
    cells = Cells(12, 1)
    write_spans(cells, 0, [("process 7 ", 0), ("has died", 0)])
    assert cells.text() == "process 7 h…"
    write_spans(cells, 0, [("process 7 on", 0)])
    assert cells.text() == "process 7 on"
