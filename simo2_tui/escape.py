"""What is written to the terminal, said in fewer bytes: colours only where they change, ASCII where that is wanted.

Rich sets every piece of text in all its colours and resets them behind it, in true colour some 40 bytes for a single
braille cell. Here the attributes that the terminal has are remembered, and only what differs is sent.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from rich.cells import cell_len

_SGR = re.compile(r"\x1b\[([0-9;]*)m")
"""Select graphic rendition, ECMA-48 section 8.3.117."""

_CACHED = 1 << 14


class Attributes(NamedTuple):
    """How the terminal draws text: each colour as its own codes, the rest by number."""

    ink: str = ""
    paper: str = ""
    others: frozenset[int] = frozenset()
    """1 bold, 2 faint, 3 italic, 4 underlined, 7 reversed and so on."""


class Thrift:
    """Rewrites a stream of text for one terminal, piece by piece."""

    def __init__(self, *, ascii_only: bool = False, colour: bool = True) -> None:
        """Leaves out every code of a colour unless `colour`; writes only ASCII when `ascii_only`."""
        self._ascii_only, self._colour = ascii_only, colour
        self._has = Attributes()
        self._wants = Attributes()

    def rewrite(self, text: str) -> str:
        """The next piece of the stream: what it shows is what `text` would have shown."""
        out: list[str] = []
        at = 0
        for found in _SGR.finditer(text):
            if found.start() > at:
                self._put(out, text[at : found.start()])
            at = found.end()
            wanted = _apply(self._wants, found[1])
            self._wants = wanted if self._colour else wanted._replace(ink="", paper="")
        if at < len(text):
            self._put(out, text[at:])
        return "".join(out)

    def _put(self, out: list[str], piece: str) -> None:
        # Other escape codes come here as well: erasing, for one, paints in the present colours.
        wants = self._wants
        if piece.isspace() and not (wants.others | self._has.others) & _ON_BLANKS:
            wants = self._has._replace(paper=wants.paper)  # a blank shows no ink
        if self._has != wants:
            out.append(_change(self._has, wants))
            self._has = wants
        out.append("".join(map(to_ascii, piece)) if self._ascii_only and not piece.isascii() else piece)


@functools.lru_cache(maxsize=_CACHED)
def _apply(before: Attributes, codes: str) -> Attributes:
    """The attributes after a code; an empty one resets them."""
    ink, paper, others = before
    numbers = [int(code or 0) for code in codes.split(";")]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            ink, paper, others = Attributes()
        elif number in (38, 48) and numbers:
            length = {2: 4, 5: 2}.get(numbers[0], 1)
            colour = ";".join(map(str, (number, *numbers[:length])))
            del numbers[:length]
            ink, paper = (colour, paper) if number == 38 else (ink, colour)
        elif number in range(30, 40) or number in range(90, 98):
            ink = "" if number == 39 else str(number)
        elif number in range(40, 50) or number in range(100, 108):
            paper = "" if number == 49 else str(number)
        elif number in _ENDS:
            others -= _ENDS[number]
        else:
            others |= {number}
    return Attributes(ink, paper, others)


_ON_BLANKS = {4, 7, 9, 21, 53}
"""Attributes that show on a blank: lines, and reversed, which paints it in its ink."""

_ENDS = {22: {1, 2}, 23: {3}, 24: {4, 21}, 25: {5, 6}, 27: {7}, 28: {8}, 29: {9}, 55: {53}}
"""Which attributes each code ends."""


@functools.lru_cache(maxsize=_CACHED)
def _change(has: Attributes, wants: Attributes) -> str:
    """The shortest code that leads from one to the other."""
    if not any(wants):
        return "\x1b[0m"
    codes: list[str] = []
    if has.others - wants.others:
        codes, has = ["0"], Attributes()
    codes += [str(number) for number in sorted(wants.others - has.others)]
    codes += [wants.ink or "39"] if wants.ink != has.ink else []
    codes += [wants.paper or "49"] if wants.paper != has.paper else []
    return f"\x1b[{';'.join(codes)}m"


LOOKS_LIKE = {
    **dict.fromkeys("─━┄┅┈┉╌╍═", "-"), **dict.fromkeys("│┃┆┇┊┋╎╏║", "|"), **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╋┏┓┗┛", "+"),
    **dict.fromkeys("▁▂▃▄▅▆▇█▉▊▋▌▍▎▏▐▔▕▀", "#"), **dict.fromkeys("·∙◦", "."), **dict.fromkeys("•●", "*"),
    "○": "o", "…": "~", "×": "x", "←": "<", "→": ">",
    "↑": "^", "↓": "v", "▴": "^", "▾": "v", "▲": "^", "▼": "v", "⏎": "J", "²": "2", "±": "~", "≥": ">", "–": "-",
    "—": "-", "−": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "✖": "X", "°": "o", "\u00a0": " ",
}  # fmt: skip


_JOINING = re.compile("[\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e01ef]")
"""What changes or joins its neighbours and has no place of its own: selectors, joiners, tones of skin."""

_FLAG_LETTERS = {0x1F1E6 + place: chr(ord("A") + place) for place in range(26)}


def steady(text: str) -> str:
    """The text in characters that are as wide on one terminal as on the next.

    Of a sequence that some draw as one picture the pictures stay, each by itself; of a flag its two letters.
    """
    return text if text.isascii() else _JOINING.sub("", unicodedata.normalize("NFC", text)).translate(_FLAG_LETTERS)


@functools.lru_cache(maxsize=4096)
def to_ascii(char: str) -> str:
    """What stands for a character where only ASCII may be drawn, as wide as it: `é` is `e`, what has no like is `?`."""
    if char.isascii():
        return char
    known = LOOKS_LIKE.get(char)
    if known is None:
        known = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()[:1] or "?"
    return known.ljust(cell_len(char), "?") if cell_len(char) else ""
