"""Sheets of every screen as terminals show it: `python -m tests.contact_sheets OUT RUN … [--only WORD …]`.

Each run is opened by `simo2 attach` in tmux, at both sizes and on each kind of terminal. What tmux then shows is drawn
as PNG: a picture a screen in OUT/screens, a sheet of all screens for each run, size and terminal in OUT, and one of all
terminals for each screen. `--only` keeps those whose names have one of the words: `--only 80x24-ascii`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

SIZES = ((80, 24), (160, 45))
TERMINALS = {
    "24bit": {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"},
    "256": {"TERM": "xterm-256color", "LANG": "C.UTF-8"},
    "16": {"TERM": "xterm", "LANG": "C.UTF-8"},
    "nocolour": {"TERM": "xterm-256color", "NO_COLOR": "1", "LANG": "C.UTF-8"},
    "ascii": {"TERM": "vt100", "LANG": "C"},
    "linux": {"TERM": "linux", "LANG": "C.UTF-8"},
}
SCREENS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("monitor", (), "log"),
    ("loss", ("1", "m"), ""),
    ("accuracy", ("2",), ""),
    ("gradient", ("3",), ""),
    ("scatter", ("5",), ""),
    ("log", ("m", "Tab"), ""),
    ("help", ("?",), ""),
    ("guide", ("g",), ""),
    ("page", ("Down", "Down", "Enter"), ""),
    ("embedding", ("Escape", "Escape", "E"), "PCA"),
    ("heat", ("2", "Down", "Right"), ""),
    ("histogram", ("3",), ""),
    ("nearest", ("1", "Right"), ""),
    ("earlier", ("Escape", ",", ","), ""),
    ("tsne", ("x",), "· t-SNE"),
    ("runs", ("R", "Space", "Down", "Space"), ""),
    ("launcher", ("Escape", "Escape", "Escape"), ""),
)
"""Name, keys that lead there from the one before, and words that are there then."""

CELL = (7, 14)
GAP, FRAME = 8, (70, 70, 110)
VGA = ("000000", "aa0000", "00aa00", "aa5500", "0000aa", "aa00aa", "00aaaa", "aaaaaa",
       "555555", "ff5555", "55ff55", "ffff55", "5555ff", "ff55ff", "55ffff", "ffffff")  # fmt: skip
PAPER, INK = (0, 0, 0), (204, 204, 204)
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Style:
    """What the codes before a character ask for."""

    ink: Colour | None = None
    paper: Colour | None = None
    bold: bool = False
    dim: bool = False
    underline: bool = False
    reverse: bool = False


_LEVELS = (0, 95, 135, 175, 215, 255)


def table_colour(index: int) -> Colour:
    """The colour of an index of 256, as xterm has it above the 16 of VGA."""
    if index < 16:
        return _hex(VGA[index])
    if index >= 232:
        return (8 + 10 * (index - 232),) * 3
    red, green, blue = (_LEVELS[(index - 16) // base % 6] for base in (36, 6, 1))
    return red, green, blue


def _hex(text: str) -> Colour:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def styled(style: Style, codes: list[int]) -> Style:
    """The style after the codes of one sequence."""
    left = iter(codes or [0])
    for code in left:
        if code == 0:
            style = Style()
        elif code in (38, 48):
            rgb = next(left) == 2
            colour = (next(left), next(left), next(left)) if rgb else table_colour(next(left))
            style = replace(style, ink=colour) if code == 38 else replace(style, paper=colour)
        elif code in (39, 49):
            style = replace(style, ink=None) if code == 39 else replace(style, paper=None)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, ink=table_colour(code - 30 if code < 90 else code - 82))
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, paper=table_colour(code - 40 if code < 100 else code - 92))
        else:
            flag = {1: "bold", 2: "dim", 4: "underline", 7: "reverse", 24: "underline", 27: "reverse"}.get(code)
            if code == 22:
                style = replace(style, bold=False, dim=False)
            elif flag:
                on: Any = {flag: code < 20}
                style = replace(style, **on)
    return style


def cells_of(text: str) -> Iterator[tuple[int, int, str, Style]]:
    """Row, column, character and style of each cell that `tmux capture-pane -e` printed."""
    style, row, column = Style(), 0, 0
    for codes, char in re.findall(r"\x1b\[([\d;:]*)m|\x1b\][^\x1b]*\x1b\\|(?s:(.))", text):
        if not char:
            style = styled(style, [int(code or 0) for code in re.split("[;:]", codes)])
        elif char == "\n":
            row, column = row + 1, 0
        else:
            yield row, column, char, style
            column += 1 + (0x1100 <= ord(char) < 0xFB00 and not 0x2000 <= ord(char) < 0x2E80)


@cache
def _font(bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf"
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}", 11.6)


def _blocks(char: str) -> list[tuple[float, float, float, float]]:
    """The rectangles that a character is made of, in shares of its cell: blocks and braille, which fonts draw apart."""
    code = ord(char)
    if 0x2800 <= code <= 0x28FF:
        places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
        dots = [place for bit, place in enumerate(places) if code >> bit & 1]
        return [(x / 2 + 0.125, y / 4 + 0.06, x / 2 + 0.375, y / 4 + 0.19) for x, y in dots]
    if 0x2581 <= code <= 0x2588:
        return [(0, 1 - (code - 0x2580) / 8, 1, 1)]
    if 0x2589 <= code <= 0x258F:
        return [(0, 0, (0x2590 - code) / 8, 1)]
    return [{"▀": (0, 0, 1, 0.5), "▐": (0.5, 0, 1, 1), "▔": (0, 0, 1, 0.125)}[char]] if char in "▀▐▔" else []


def picture(text: str, size: tuple[int, int]) -> Image.Image:
    """What the terminal shows."""
    wide, high = CELL
    image = Image.new("RGB", (size[0] * wide, size[1] * high), PAPER)
    draw = ImageDraw.Draw(image)
    found = list(cells_of(text))
    for row, column, _, style in found:  # first, as the feet of letters reach below their own row
        paper = (style.ink or INK) if style.reverse else (style.paper or PAPER)
        draw.rectangle((column * wide, row * high, (column + 1) * wide - 1, (row + 1) * high - 1), fill=paper)
    for row, column, char, style in found:
        ink, paper = style.ink or INK, style.paper or PAPER
        ink, paper = (paper, ink) if style.reverse else (ink, paper)
        if style.dim:
            ink = (ink[0] + paper[0]) // 2, (ink[1] + paper[1]) // 2, (ink[2] + paper[2]) // 2
        x, y = column * wide, row * high
        blocks = _blocks(char)
        for left, top, right, bottom in blocks:
            box = (x + left * wide, y + top * high, x + right * wide - 1, y + bottom * high - 1)
            draw.rectangle(tuple(map(round, box)), fill=ink)
        if not blocks and char != " ":
            draw.text((x, y), char, fill=ink, font=_font(style.bold))
        if style.underline:
            draw.line((x, y + high - 2, x + wide - 1, y + high - 2), fill=ink)
    return image


_numbers = itertools.count()


class Tmux:
    """A console in a tmux server of its own."""

    def __init__(self, out: Path, arguments: list[str], size: tuple[int, int], variables: dict[str, str]) -> None:
        self._name = f"simo2-sheets-{os.getpid()}-{next(_numbers)}"  # one that has just ended may still be leaving
        configuration = out / "tmux.conf"
        configuration.write_text("set -g status off\nset -sg escape-time 0\nset -g remain-on-exit on\n")
        left_out = ("TMUX", "TMUX_PANE", "COLORTERM", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG", "COLUMNS", "LINES")
        environment = [f"{name}={value}" for name, value in variables.items()]
        words = ["env", *(f"-u{name}" for name in left_out), *environment, sys.executable, "-m", "simo2_tui.start"]
        self._call("-f", str(configuration), "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]),
                   shlex.join([*words, *arguments]))  # fmt: skip

    def _call(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-u", "-L", self._name, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def press(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            self._call("send-keys", key)
            time.sleep(0.3)

    def settled(self, words: str, seconds: float = 40) -> str:
        """The screen once it has the words, and has been the same for a second."""
        end, seen, since = time.monotonic() + seconds, "", time.monotonic()
        while time.monotonic() < end:
            time.sleep(0.2)
            now = self._call("capture-pane", "-e", "-p", "-N")
            if now != seen or words not in now or "t-SNE is there" in now:
                since = time.monotonic()
            elif time.monotonic() - since > 1.0:
                break
            seen = now
        return seen

    def close(self) -> None:
        self._call("kill-server")


def save(image: Image.Image, path: Path) -> None:
    """Writes a PNG of 256 colours, each as near as can be: a quarter of the bytes."""
    few = image.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def sheet(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """All of them, as many in a row as make it nearly square, each below its name."""
    wide, high = next(iter(pictures.values())).size
    across = max(1, round(math.sqrt(len(pictures) * high / wide)))
    image = Image.new("RGB", (across * (wide + GAP), -(-len(pictures) // across) * (high + GAP + 16)), FRAME)
    draw = ImageDraw.Draw(image)
    for place, (name, one) in enumerate(pictures.items()):
        x, y = place % across * (wide + GAP), place // across * (high + GAP + 16)
        draw.text((x + 4, y + 2), name, fill=(255, 255, 255), font=_font(True))
        image.paste(one, (x, y + 16))
    return image


def screens(out: Path, run: Path, size: tuple[int, int], kind: str) -> dict[str, Image.Image]:
    """Every screen of a run on one kind of terminal."""
    found = {}
    console = Tmux(out, ["attach", str(run.resolve())], size, TERMINALS[kind])
    try:
        for name, keys, words in SCREENS:
            console.press(keys)
            found[name] = picture(console.settled(words), size)
            save(found[name], out / "screens" / f"{run.name}-{size[0]}x{size[1]}-{kind}-{name}.png")
    finally:
        console.close()
    return found


def main() -> None:
    """Draws the sheets of every run."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("out", type=Path)
    asked.add_argument("runs", type=Path, nargs="+")
    asked.add_argument("--only", nargs="*", default=[""])
    options = asked.parse_args()
    (options.out / "screens").mkdir(parents=True, exist_ok=True)
    for run, size in itertools.product(options.runs, SIZES):
        name, by_kind = f"{run.name}-{size[0]}x{size[1]}", {}
        for kind in TERMINALS:
            if any(word in f"{name}-{kind}" for word in options.only):
                by_kind[kind] = screens(options.out, run, size, kind)
                save(sheet(by_kind[kind]), options.out / f"{name}-{kind}.png")
                print(options.out / f"{name}-{kind}.png", flush=True)
        for screen in (name for name, _, _ in SCREENS):
            beside = {kind: found[screen] for kind, found in by_kind.items()}
            if len(beside) > 1:
                save(sheet(beside), options.out / f"{name}-{screen}.png")


if __name__ == "__main__":
    main()
