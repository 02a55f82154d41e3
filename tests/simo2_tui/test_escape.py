import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_tui.escape import Attributes, Thrift, _apply, to_ascii

CODE = re.compile(r"\x1b\[([0-9;]*)m|(.)", re.DOTALL)


def drawn(stream):
    """Every character with the attributes that a terminal would give it, as far as they show."""
    now, cells = Attributes(), []
    for codes, char in CODE.findall(stream):
        if char:
            lines = now.others & {4, 7}
            cells.append((char, now if char != " " or lines else now._replace(ink="", others=lines)))
        else:
            now = _apply(now, codes)
    return cells


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b[0m", "\x1b[7m", "\x1b[m", "\x1b[1m", "\x1b[22m", "\x1b[7;31m", "\x1b[38;2;1;2;3;48;2;4;5;6m",
             "\x1b[39m", "\x1b[48;5;7m", "\x1b[49;4m", "\x1b[24m", "\x1b[97;100m", "\x1b[0;1;38;5;9m"]
        ),
        st.text("ab ⣿", min_size=1, max_size=3),
    )
)  # fmt: skip


@given(st.lists(PIECES))
def test_what_is_shown_stays_the_same(writes):
    thrift = Thrift()
    sent = "".join(thrift.rewrite("".join(pieces)) for pieces in writes)
    assert drawn(sent) == drawn("".join("".join(pieces) for pieces in writes))


@given(PIECES)
def test_without_colour_the_characters_and_the_rest_stay(pieces):
    text = "".join(pieces)
    plain = [(char, look._replace(ink="", paper="")) for char, look in drawn(text)]
    assert drawn(Thrift(colour=False).rewrite(text)) == plain


def test_equal_colours_are_sent_once():
    piece = "\x1b[38;2;86;180;233;48;2;16;20;27m⣀\x1b[0m"
    other = "\x1b[38;2;9;9;9;48;2;16;20;27m⣿\x1b[0m"
    sent = Thrift().rewrite(piece * 3 + other + "\x1b[5;7H")
    assert sent == "\x1b[38;2;86;180;233;48;2;16;20;27m⣀⣀⣀\x1b[38;2;9;9;9m⣿\x1b[0m\x1b[5;7H"


def test_the_attributes_are_reset_before_the_screen_is_given_back():
    thrift = Thrift()
    thrift.rewrite("\x1b[31mred\x1b[0m")
    assert thrift.rewrite("\x1b[?1049l") == "\x1b[0m\x1b[?1049l"


@pytest.mark.parametrize(
    ("char", "like"), [("─", "-"), ("╭", "+"), ("é", "e"), ("⣿", "?"), ("犬", "??"), ("a", "a"), ("\u0301", "")]
)
def test_ascii_is_as_wide_as_what_it_stands_for(char, like):
    assert to_ascii(char) == like


@given(st.text())
def test_ascii_only_is_ascii_only(text):
    assert Thrift(ascii_only=True).rewrite(text).isascii()


def test_signs_that_stand_against_each_other_stay_different():
    assert to_ascii("●") != to_ascii("○")
