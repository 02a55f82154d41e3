"""Text of a stranger's, safe to show: what would not show, or would command a terminal, is written out."""

from __future__ import annotations

import re

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but for line ends and tabs, those that turn the direction of text, and halves of characters."""


def visible(text: str) -> str:
    """The text with such characters as `\\x1b` or `\\u202e`."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)
