"""One thing to know before a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing to know before a run: `error` cannot start, `warning` can, `info` is a decision explained."""

    severity: Severity
    code: str
    """A stable word to match on."""
    message: str
    cure: str = ""
