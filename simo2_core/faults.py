"""Whose fault an error is: what somebody's own part raises is told in one line, with the name of the part.

    with naming_faults():
        ...  # whatever calls into parts

The traceback knows: a part that was found is remembered by its module, so nothing has to say which part it calls, and
the network or the source that a part has made is known by it as well. What simo2's own parts raise is simo2's fault,
and goes its own way.

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import Any

from simo2_core.errors import PartError, Simo2Error

_known: dict[str, list[tuple[str, type]]] = {}
"""The parts that are not simo2's own, each with its kind, by the module that they are defined in."""

REFERENCED = "simo2_part_"
"""What the module of a file begins with that a reference has named."""


def remember(kind: str, part: type) -> None:
    """Makes a part known whose errors are its own."""
    found = _known.setdefault(part.__module__, [])
    if part.__module__.partition(".")[0] != "simo2_core" and (kind, part) not in found:
        found.append((kind, part))


def called(kind: str, part: Any) -> str:
    """How a part, or its class, is named in a message: `the objective 'triplet' of the package own-parts`."""
    return f"the {kind} {part.name!r}" + (f" of the package {part.package}" if part.package else "")


def shape_of(given: Any) -> str:
    """What a part gave, for a message: `(8, 6) float32`, or the type of what is no array."""
    if not hasattr(given, "shape") or not hasattr(given, "dtype"):
        return f"a {type(given).__name__}"
    return f"{tuple(given.shape)} {given.dtype}"


def told(error: BaseException) -> str:
    """Its type, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()[:200]}" if lines else type(error).__name__


@dataclass(frozen=True)
class Fault:
    """What somebody's own part raised."""

    who: str
    """The part, with its kind and its package."""
    what: str
    """The type of the error, and the first line of what it says."""
    where: str
    """The file and the line of the part that it came through last."""


def fault_of(error: BaseException) -> Fault | None:
    """Which part an error is of; None where it came through no part's code but simo2's own, or memory was short."""
    if isinstance(error, Simo2Error | MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return None
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)][::-1]
    for find in (_part_of, _package_of):
        for frame, line in frames:
            if who := find(frame):
                return Fault(who, told(error), f"{Path(frame.f_code.co_filename).name}, line {line}")
    return None


def part_error(error: BaseException) -> PartError | None:
    """The fault as an error that a user is told in one line; None where it is no part's."""
    fault = fault_of(error)
    if fault is None:
        return None
    return PartError(f"{fault.who} raised {fault.what} ({fault.where}; simo2 --debug … shows the way there).")


@contextlib.contextmanager
def naming_faults() -> Iterator[None]:
    """Raises PartError in place of what a part that is not simo2's own raised inside."""
    try:
        yield
    except Exception as error:
        named = part_error(error)
        if named is None:
            raise
        raise named from error


def _part_of(frame: FrameType) -> str:
    """The part whose code this is, found in its module by the class that the code is in."""
    here = _known.get(frame.f_globals.get("__name__", ""), [])
    inside = [
        (kind, part) for kind, part in here if frame.f_code.co_qualname.split(".")[0] == part.__qualname__.split(".")[0]
    ]
    return " or ".join(called(kind, part) for kind, part in inside or here)


def _package_of(frame: FrameType) -> str:
    """A part that this process has not looked for: code that helps one, or a worker's, which is only sent pieces."""
    module = frame.f_globals.get("__name__", "")
    if module.startswith(REFERENCED):
        return f"a part of {Path(frame.f_code.co_filename).name}"
    top = module.partition(".")[0]
    points = [
        point
        for group in entry_points().groups
        if group.startswith("simo2.")
        for point in entry_points(group=group)
        if point.module.partition(".")[0] == top
    ]
    exact = [point for point in points if point.module == module]
    if len(exact) == 1 and exact[0].dist is not None:
        kind = exact[0].group.removeprefix("simo2.").removesuffix("s")
        return f"the {kind} {exact[0].name!r} of the package {exact[0].dist.name}"
    return f"a part of the package {points[0].dist.name if points[0].dist else top}" if points else ""
