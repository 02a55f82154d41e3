"""Code of a user's own, named on the command line: `--objective mine.py:TripletLoss`, or `--with mine.py:Net`.

It has to be known before the options are drawn, since its settings are options too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simo2_core import parts

WITH = "--with"
"""Names a part that a run uses and that is not installed; it may stand anywhere, with any command."""

_NAMING = {f"--{kind}": kind for kind in parts.KINDS} | {
    "--objectives": "objective",
    "--encoders": "encoder",
    "--track": "tracker",
}
"""Options whose values may be references, and the kind of part that each names."""
_OTHERS = (WITH, "--optimizer")


def take_parts(arguments: Sequence[str]) -> list[str]:
    """Lets the references in `arguments` be imported; returns the arguments without `--with` and its values.

    Raises:
        ConfigError: one that an option of its kind names does not import, or is no part of that kind.
    """
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        option = option.replace("_", "-")
        if option not in _NAMING and option not in _OTHERS:
            kept.append(word)
            continue
        if not equals:
            value = next(words, "")
        if option != WITH:
            kept += [word] if equals else [word, value]
        for reference in _references(value):
            parts.allow(reference)
            if option in _NAMING:
                parts.find(_NAMING[option], reference)
    return kept


def _references(value: str) -> Iterator[str]:
    """Those in a value: alone, between commas, or at the head of an arm such as `mine.py:Triplet:margin=0.3`."""
    for word in value.split(","):
        head = ":".join(word.strip().split(":")[:2])
        if parts.is_reference(head):
            yield head
