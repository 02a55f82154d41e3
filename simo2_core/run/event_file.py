"""`events.jsonl`: everything that reads or writes it, with one policy for lines that are not as they should be.

- A line counts once it has its end. One that has none is torn: its writer was killed, or is still at it. Readers wait
  for it, and the next writer cuts it off. Nobody is told.
- A line that has its end and is no event is damage. It costs itself alone: readers pass it over, count it, and tell it
  once, when they have read the rest. Whoever writes the file anew drops it and says so.
- A line that a newer simo2 wrote is passed over by readers, who say that. It is never dropped: writing anew refuses.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from simo2_core.errors import NewerFormatError, RunError
from simo2_core.events import Evaluated, Event, StepsLogged, WarningRaised, from_line
from simo2_core.run.contained import open_in_place, open_to_read
from simo2_core.run.files import disk_error, write_whole

DAMAGED = "log-damaged"
"""The code of the warning that a log has lines which cannot be read."""

_BLOCK = 1 << 22
"""Bytes that are read at once, about."""


class LineReader:
    """Whole lines that were added to the log since the last look; begins again when it was replaced or cut."""

    def __init__(self, path: Path) -> None:
        """Reads nothing yet."""
        self._path = path
        self._offset = 0
        self._identity: tuple[int, int] | None = None

    def read(self, most: int = _BLOCK) -> tuple[list[bytes], bool]:
        """Lines with their ends, at most about `most` bytes of them, and whether the file began anew.

        Raises:
            OSError: it cannot be read; a file that is not there has no lines.
        """
        try:
            with open_to_read(self._path) as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                anew = self._identity is not None and (identity != self._identity or status.st_size < self._offset)
                self._identity = identity
                if anew:
                    self._offset = 0
                file.seek(self._offset)
                data = file.read(most)
                if len(data) == most and b"\n" not in data:  # damage: no line that is written is so long
                    data += file.readline()
        except FileNotFoundError:
            return [], False
        end = data.rfind(b"\n") + 1
        self._offset += end
        return data[:end].split(b"\n")[:-1], anew


class Damage:
    """Lines that could not be read, counted."""

    def __init__(self, path: Path) -> None:
        """Of the log at `path`."""
        self._path = path
        self.read = 0
        """Lines so far, damaged or not."""
        self._lines: list[int] = []
        self._newer: list[NewerFormatError] = []

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def newer(self) -> NewerFormatError | None:
        """That a newer simo2 wrote in it; one such line alone is a damaged digit, since a start writes several."""
        return self._newer[0] if len(self._newer) > 1 else None

    def decode(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """The events of whole lines; those that are none are passed over and counted."""
        for line in lines:
            self.read += 1
            try:
                event = from_line(line)
            except RunError as error:
                self._lines.append(self.read)
                if isinstance(error, NewerFormatError):
                    self._newer.append(error)
                continue
            yield event

    def warning(self, step: int) -> WarningRaised:
        """What is left out, for people."""
        count = len(self._lines)
        which = f"line {self._lines[0]}" if count == 1 else f"{count} lines (the first is line {self._lines[0]})"
        return WarningRaised(
            step=step,
            code=DAMAGED,
            message=f"{which} of {self._path} cannot be read, and {'is' if count == 1 else 'are'} left out.",
            cure=f"The rest is shown. {self.newer or 'Check the disk.'}",
        )


def read_events(path: Path, *, warn: bool = True) -> Iterator[Event]:
    """Every event so far, in order; the last one is a warning that counts the lines which cannot be read, if any.

    Args:
        warn: False where they are told otherwise, as resuming does.

    Raises:
        RunError: the file cannot be read at all.
    """
    damage, step = Damage(path), 0
    try:
        with open_to_read(path) as file:
            for event in damage.decode(itertools.takewhile(lambda line: line.endswith(b"\n"), file)):
                step = event.step
                yield event
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error("reading", path, error) from error
    if warn and len(damage):
        yield damage.warning(step)


def read_evaluations(path: Path) -> list[Evaluated]:
    """Those of validation so far, in order, without reading all that is between; what cannot be read is left out.

    Raises:
        RunError: the file cannot be read at all.
    """
    try:
        with open_to_read(path) as file:
            events = list(Damage(path).decode(line for line in file if b'"event":"evaluated"' in line[:40]))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error("reading", path, error) from error
    return [event for event in events if isinstance(event, Evaluated) and event.split == "validation"]


def read_ends(path: Path, size: int) -> list[Event]:
    """The events in the first and in the last `size` bytes; lines that cannot be read are passed over.

    Raises:
        OSError: the file is not there or cannot be read.
    """
    with open_to_read(path) as file:
        whole = os.fstat(file.fileno()).st_size
        data = file.read(size)
        if whole > size:
            cut = data.rfind(b"\n") + 1
            file.seek(max(cut, whole - size))
            tail = file.read(size)
            data = data[:cut] + (tail if whole - size <= cut else tail[tail.find(b"\n") + 1 :])
    return list(Damage(path).decode(data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]))


def drop_after(path: Path, step: int) -> int:
    """Writes the log anew without what it says of steps after `step`; returns how many damaged lines went as well.

    Raises:
        NewerFormatError: a newer simo2 wrote lines of it, which would be dropped.
        RunError: the disk refuses.
    """
    damage, kept = Damage(path), []
    try:
        with open_to_read(path) as file:
            lines = file.read().split(b"\n")[:-1]
        for line in lines:
            for event in damage.decode([line]):
                last = event.last_step if isinstance(event, StepsLogged) else event.step
                if last <= step:
                    kept.append(line + b"\n")
        if damage.newer is not None:
            raise NewerFormatError(f"{path}: {damage.newer}")
        write_whole(path, b"".join(kept))
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise disk_error("writing", path, error) from error
    return len(damage)


class EventLog:
    """Appends events: whole lines only, and none lost to a disk that is full, or a file that is gone, for a while."""

    def __init__(self, path: Path) -> None:
        """Opens the log for appending and cuts off a torn last line; raises RunError when it cannot."""
        self._path = path
        self._pending: list[bytes] = []
        try:
            self._file = open_in_place(path, os.O_RDWR)
            self._end = _end_of_last_line(self._file)
            os.ftruncate(self._file, self._end)
        except OSError as error:
            raise disk_error("opening", path, error) from error

    def write(self, event: Event) -> OSError | None:
        """Appends one event. When the disk refuses, the line waits for the next call and the error is returned."""
        self._pending.append(event.to_line().encode() + b"\n")
        self._find_again()
        try:
            data = b"".join(self._pending)
            done = 0
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self._end + done)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            return error
        self._end += len(data)
        self._pending.clear()
        return None

    def _find_again(self) -> None:
        """Puts the log back where it was deleted, whole: the open file still has it."""
        with contextlib.suppress(OSError):
            if os.fstat(self._file).st_nlink == 0:
                write_whole(self._path, os.pread(self._file, self._end, 0))
                fresh = open_in_place(self._path, os.O_RDWR)
                os.close(self._file)
                self._file = fresh

    def sync(self) -> None:
        """Makes what was written survive a power cut."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        self.sync()
        os.close(self._file)


def _end_of_last_line(descriptor: int) -> int:
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65536)
        cut = os.pread(descriptor, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0
