"""What a run can be told, who tells it, and how it ends: words that files keep and every face shares.

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simo2_core.errors import INTERRUPTED, DivergedError, Simo2Error


class Reason(StrEnum):
    """How a start of a run ends, as `RunFinished` has it, and the exit code of the process that carried it.

    The one table of exit codes: `simo2 train`, the console and the processes of a distributed run all end by it.
    """

    exit_code: int

    def __new__(cls, word: str, exit_code: int) -> Reason:
        """The word as files have it, with its exit code."""
        made = str.__new__(cls, word)
        made._value_ = word
        made.exit_code = exit_code
        return made

    COMPLETED = "completed", 0
    STOPPED = "stopped", INTERRUPTED
    """By somebody who asked for it, at a keyboard."""
    INTERRUPTED = "interrupted", INTERRUPTED
    """By a signal."""
    DIVERGED = "diverged", DivergedError.exit_code
    FAILED = "failed", Simo2Error.exit_code
    SETTLED = "settled", 0
    """Before its last step, by itself: validation had not risen for as long as `--patience` has it."""

    @property
    def done(self) -> bool:
        """Whether the run came to its end, and its test part is read."""
        return self in (Reason.COMPLETED, Reason.SETTLED)

    @property
    def early(self) -> bool:
        """Whether it was asked to end before its last step: it can go on."""
        return self in (Reason.STOPPED, Reason.INTERRUPTED)


class Command(StrEnum):
    """What a trainer can be told between two calls."""

    PAUSE = "pause"
    RESUME = "resume"
    CHECKPOINT = "checkpoint"
    PLOT = "plot"
    EMBED = "embed"
    STOP = "stop"


class Asker(StrEnum):
    """What kind of thing tells a trainer something."""

    KEYBOARD = "keyboard"
    SIGNAL = "signal"
    ATTACH = "attach"
    OUTSIDE = "outside"
    """Whoever else left a file in the run's `control/`."""


@dataclass(frozen=True)
class Requester:
    """Who asked. Files and people have it as text: `keyboard`, `signal SIGTERM`, `attach pid 4711`."""

    asker: Asker
    detail: str = ""
    """The rest of the text; of an OUTSIDE one all of it."""

    @classmethod
    def parse(cls, text: str) -> Requester:
        """Reads what `str` gives; any other text is OUTSIDE."""
        word, _, detail = text.partition(" ")
        if word in (Asker.KEYBOARD, Asker.SIGNAL, Asker.ATTACH):
            return cls(Asker(word), detail)
        return cls(Asker.OUTSIDE, "" if text == Asker.OUTSIDE else text)

    def __str__(self) -> str:
        if self.asker == Asker.OUTSIDE:
            return self.detail or self.asker
        return f"{self.asker} {self.detail}" if self.detail else str(self.asker)

    @property
    def reason(self) -> Reason:
        """How a run ends that this source stops."""
        return Reason.INTERRUPTED if self.asker == Asker.SIGNAL else Reason.STOPPED
