"""What can go wrong, as a small tree. Every message is one line: what was given, what is allowed, the cure.

Simo2Error                 exit code 1: failed
├── ConfigError            exit code 2: a setting that cannot work; refused before anything starts
│   └── MissingPartError   a part that is not installed here, or that nobody has named here
├── PartError              exit code 1: a part of somebody's own raised, or gave what it may not give
├── DataError              exit code 4: a data set that is missing, unreadable or unfit
├── DivergedError          exit code 3: a loss or gradient that is not finite; the last good state is kept
├── StoppedError           exit code 130: asked to stop before there was anything to save
├── OutOfMemoryError       exit code 1: the device or the host has too little memory for these settings
├── ProcessLostError       exit code 1: another process of a distributed run is gone
├── WrongNumbersError      exit code 1: the device or its compiler gives wrong numbers
└── RunError               exit code 1: a run directory that cannot be found, written or owned
    ├── RunLockedError     another live process owns the run
    ├── CheckpointError    a checkpoint that is missing, damaged or of another format
    └── NewerFormatError   settings, a checkpoint or a log that a newer simo2 wrote
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

INTERRUPTED = 130
"""The exit code of a process that was asked to stop: what it trained is saved."""


class Simo2Error(Exception):
    """The root: anything that simo2 says to its user in one line instead of a traceback."""

    exit_code = 1


class ConfigError(Simo2Error):
    """A setting that cannot work."""

    exit_code = 2


class MissingPartError(ConfigError):
    """A part (an objective, an encoder …) that is not installed here, or is code that nobody has named here."""


class PartError(Simo2Error):
    """A part of somebody's own (an objective, an encoder …) raised, or gave what it may not give."""


class DataError(Simo2Error):
    """A data set that is missing, unreadable or unfit."""

    exit_code = 4


class DivergedError(Simo2Error):
    """Training met a loss or gradient that is not finite."""

    exit_code = 3


class StoppedError(Simo2Error):
    """A run was asked to stop before there was anything to save."""

    exit_code = INTERRUPTED


class OutOfMemoryError(Simo2Error):
    """The device or the host has too little memory for these settings."""


class ProcessLostError(Simo2Error):
    """Another process of a distributed run has ended, cannot be reached, or did not come."""


class WrongNumbersError(Simo2Error):
    """What is computed here is not what was asked for."""


class RunError(Simo2Error):
    """A run directory that cannot be found, written or owned."""


class RunLockedError(RunError):
    """Another live process owns the run."""


class CheckpointError(RunError):
    """A checkpoint that is missing, damaged or of another format."""


class NewerFormatError(RunError):
    """Settings, a checkpoint or a log that a newer simo2 wrote: whole, and not to be passed over for older ones."""


def did_you_mean(given: str, allowed: Iterable[str], *, at_most: int = 3) -> str:
    """Returns ` Did you mean …?` for a name nearly right, or an empty string."""
    near = difflib.get_close_matches(given.lower(), list(allowed), n=at_most, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""
