"""Names of classes made shorter for a picture or a column, without what tells them apart being lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile

MARK = "…"
"""Stands for what is left out."""

_LEAST_PREFIX = 3
"""A common beginning of fewer characters is kept: leaving it out would gain nothing."""


_ROOMY = 12
"""From here on the two ends of a name are both long enough to be read."""


def shorten(names: Sequence[str], at_most: int, *, width: Callable[[str], int] = len) -> list[str]:
    """The names, each at most `at_most` wide; as they are where all fit.

    What all have in common at their beginning goes first: of `species_017` and `species_018` in six columns `…017`
    and `…018` stay. Of names that are still too long the end, the middle or the beginning is left out: of each the
    first of these that leaves it different from the others, and of all alike where nothing does that for each.

    Args:
        at_most: 1 or more, in the unit of `width`.
        width: of a text: characters by default; cells, in a terminal.
    """
    if all(width(name) <= at_most for name in names):
        return list(names)
    prefix = common_beginning(names)
    if prefix:
        rests = [name[len(prefix) :] for name in names]
        room = at_most - max(width(rest) for rest in rests) - 1
        begun = _start(prefix, room, width) if room >= _LEAST_PREFIX else ""
        mark = MARK if room >= 0 else ""
        names = [begun + mark + rest for rest in rests]
    ways = [_without_end, _without_middle, _without_beginning]
    if at_most >= _ROOMY:
        ways = [_without_middle, _without_end, _without_beginning]
    tried = [[name if width(name) <= at_most else cut(name, at_most, width) for name in names] for cut in ways]
    return max([*tried[:1], _each_its_own(tried), *tried[1:]], key=lambda cut: len(set(cut)))


def _each_its_own(tried: Sequence[Sequence[str]]) -> list[str]:
    """The names, each cut in the first way in which no other name, cut so as well, becomes the same."""
    counts = [Counter(names) for names in tried]
    return [
        next((name for name, count in zip(ways, counts, strict=True) if count[name] == 1), ways[-1])
        for ways in zip(*tried, strict=True)
    ]


def common_beginning(names: Sequence[str]) -> str:
    """What all names begin with, up to the last mark between words or before a number; "" where that is too short."""
    if len(names) < 2:
        return ""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    prefix = "".join(letters[0] for letters in alike)
    if any(name == prefix for name in names):
        prefix = prefix[:-1]
    ends = [place for place, letter in enumerate(prefix, start=1) if not letter.isalnum()]
    prefix = prefix[: ends[-1]] if ends else prefix.rstrip("0123456789")
    return prefix if len(prefix) >= _LEAST_PREFIX else ""


def _start(name: str, room: int, width: Callable[[str], int]) -> str:
    while width(name) > room:
        name = name[:-1]
    return name


def _end(name: str, room: int, width: Callable[[str], int]) -> str:
    while width(name) > room:
        name = name[1:]
    return name


def _without_end(name: str, at_most: int, width: Callable[[str], int]) -> str:
    mark = MARK if at_most > 3 else ""  # in three columns a letter is worth more
    return _start(name, at_most - len(mark), width).rstrip() + mark


def _without_middle(name: str, at_most: int, width: Callable[[str], int]) -> str:
    mark = MARK if at_most > 3 else ""
    tail = (at_most - len(mark)) // 2
    return _start(name, at_most - len(mark) - tail, width).rstrip() + mark + _end(name, tail, width).lstrip()


def _without_beginning(name: str, at_most: int, width: Callable[[str], int]) -> str:
    mark = MARK if at_most > 3 else ""
    return mark + _end(name, at_most - len(mark), width).lstrip()
