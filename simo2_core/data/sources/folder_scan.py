"""What lies in a folder of images, seen once: the files of each class, and what is passed over.

Files and folders whose name begins with a dot, and what systems leave behind (`__MACOSX`, `@eaDir`), are none of the
user's pictures. Pipes and devices are passed over: whoever opened one might wait for ever.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import numpy as np

from simo2_core.errors import DataError

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib",
        ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico",
        ".jp2", ".j2k", ".jpx", ".avif", ".qoi", ".pcx", ".sgi", ".dds",
    }
)  # fmt: skip
"""Image formats that Pillow reads; not .pdf, .eps and the like, which it can only sometimes."""

LEFTOVERS = frozenset(
    {"__MACOSX", "@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found",
     "__pycache__"}
)  # fmt: skip
"""Folders that archives, network drives and systems make: thumbnails and what was deleted."""

_PAPERS = frozenset(
    {".txt", ".md", ".rst", ".html", ".htm", ".json", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".log", ".py", ".ipynb",
     ".db", ".ini", ".lnk", ".url", ".sh", ".bat", ".toml", ".cfg", ".md5", ".sha256"}
)  # fmt: skip
"""Suffixes of what lies beside pictures and is none."""
_PAPER_NAMES = frozenset({"readme", "license", "licence", "copying", "notice", "makefile", "icon\r", "sha256sums"})

_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Scan:
    """The images of a split, class by class."""

    classes: tuple[str, ...]
    """None for a heap: images that lie in no folder of their own."""
    counts: tuple[int, ...]
    """Files of each class."""
    empty: tuple[str, ...]
    """Folders without an image."""
    paths: tuple[str, ...]
    """Relative to the split, by class, each class by path."""
    identity: str
    """Of names, sizes and times."""
    stamp: str
    """Of the times at which the system last saw each file changed."""
    files: str
    """Of names and sizes."""
    loose: int
    """Images beside the folders of the classes, which are in no class."""
    passed: tuple[str, ...]
    """Files that may well be images, of a suffix that is not read, or of none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes; a heap is one class, called image."""
        return self.classes or ("image",)

    @property
    def heap(self) -> bool:
        """Whether there are images, but no classes."""
        return not self.classes and bool(self.paths)


def natural(name: str) -> tuple[object, ...]:
    """Sorts names as people do: 0, 90, 180, 270, and page2 before page10; the rest by bytes."""
    pieces = _DIGITS.split(name)
    numbers = [(len(piece.lstrip("0")), piece.lstrip("0")) for piece in pieces[1::2]]
    words = [os.fsencode(piece) for piece in pieces[0::2]]
    keys: list[object] = [words[0]]
    for number, word in zip(numbers, words[1:], strict=True):
        keys += [number, word]
    return (keys, os.fsencode(name))


def alphabetical(name: str) -> tuple[object, ...]:
    """Sorts names by their bytes."""
    return (os.fsencode(name),)


def printable(text: str) -> str:
    """A file name as one line of text: newlines and bytes that are no UTF-8 are escaped, letters kept."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )


def entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder and may be the user's; raises DataError where it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".") and entry.name not in LEFTOVERS]
    except OSError as error:
        raise unlistable(folder, error) from None


def unlistable(folder: str, error: OSError) -> DataError:
    """The error of a folder that cannot be listed."""
    return DataError(f"{printable(folder)} cannot be listed: {error.strerror}. Check its permissions.")


def is_image_name(name: str) -> bool:
    """Whether a file is taken for an image."""
    suffix = name[name.rfind(".") :]
    return suffix in SUFFIXES or suffix.lower() in SUFFIXES


def scan(root: Path, order: Callable[[str], tuple[object, ...]]) -> Scan:
    """Looks at every file below `root`; raises DataError where a folder cannot be listed."""
    classes: list[str] = []
    counts: list[int] = []
    empty: list[str] = []
    paths: list[str] = []
    passed: list[str] = []
    digest, stamp, lasting = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    def take(name: str, found: Found) -> None:
        known, ordered = np.array(found.facts, np.int64).reshape(-1, 3), sorted(found.paths)
        if ordered != found.paths:  # a folder comes sorted, folders in folders do not
            known = known[sorted(range(len(ordered)), key=found.paths.__getitem__)]
        names = os.fsencode("\0".join([name, *ordered, ""]))
        digest.update(names)
        digest.update(known[:, :2].T.tobytes())
        stamp.update(known[:, 2].tobytes())
        lasting.update(names)
        lasting.update(known[:, 0].tobytes())
        paths.extend(ordered)

    here = entries(str(root))
    for entry in sorted(here, key=lambda entry: order(entry.name)):
        if not entry.is_dir():
            continue
        found = collect(entry.path, entry.name + "/")
        take(entry.name, found)
        passed += found.passed
        if found.paths:
            classes.append(entry.name)
            counts.append(len(found.paths))
        else:
            empty.append(printable(entry.name))
    files = [entry for entry in sorted(here, key=lambda entry: entry.name) if entry.is_file()]
    loose = [entry for entry in files if is_image_name(entry.name)]
    if not classes and loose:
        facts = [number for entry in loose for number in _facts(entry.stat())]
        take("", Found([entry.name for entry in loose], facts, []))
        passed += [entry.name for entry in files if may_be_image(entry.name)]
    return Scan(
        tuple(classes),
        tuple(counts),
        tuple(empty),
        tuple(paths),
        digest.hexdigest(),
        stamp.hexdigest(),
        lasting.hexdigest(),
        len(loose) if classes else 0,
        tuple(passed),
    )


@dataclass(frozen=True)
class Found:
    """What `collect` finds."""

    paths: list[str] = field(default_factory=list)
    facts: list[int] = field(default_factory=list)
    """Size, time, and when the system last saw it changed, of each path in turn."""
    passed: list[str] = field(default_factory=list)


def collect(folder: str, below: str) -> Found:
    """Every image below `folder`: its path, and its size, its time and when the system last saw it changed.

    Those are -1, 0 and 0 for a dangling link.

    Links are followed but never in a circle. Every microsecond counts: a million files are looked at at each start.
    So each is asked about once, by its name in an open folder, and its path stays a string. Not by threads: handing
    the interpreter's lock to and fro costs more than two processors gain (0.32 s instead of 0.14 for 50,000 files).
    """
    found = Found()
    _collect(folder, below, (), found)
    return found


def _collect(folder: str, below: str, above: tuple[tuple[int, int], ...], found: Found) -> None:
    paths, facts = found.paths, found.facts
    try:
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unlistable(folder, error) from None
    inner = []
    try:
        own = os.fstat(here)
        if (own.st_dev, own.st_ino) in above:
            return
        above = (*above, (own.st_dev, own.st_ino))
        for name in sorted(os.listdir(here)):  # noqa: PTH208 (an open folder has no Path)
            if name[0] == ".":
                continue
            suffix = name[name.rfind(".") :]
            image = suffix in SUFFIXES or suffix.lower() in SUFFIXES
            try:
                stat = os.stat(name, dir_fd=here)
            except OSError:
                if image:  # a dangling link: named later, as unreadable
                    paths.append(below + name)
                    facts += (-1, 0, 0)
                continue
            if S_ISDIR(stat.st_mode):
                if name not in LEFTOVERS:
                    inner.append(name)
            elif not S_ISREG(stat.st_mode):  # reading a pipe or a device might never end
                continue
            elif image:
                paths.append(below + name)
                facts += _facts(stat)
            elif may_be_image(name):
                found.passed.append(below + name)
    except OSError as error:
        raise unlistable(folder, error) from None
    finally:
        os.close(here)
    for name in inner:
        _collect(f"{folder}/{name}", f"{below}{name}/", above, found)


def _facts(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def may_be_image(name: str) -> bool:
    """Whether a file that is not taken for an image could be one: not a README, a table or a script."""
    stem, dot, suffix = name.lower().rpartition(".")
    if not dot:
        return suffix not in _PAPER_NAMES
    return f".{suffix}" not in _PAPERS and not is_image_name(name) and stem not in _PAPER_NAMES
