"""What one run of a comparison came to, as a file in its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from simo2_core.errors import RunError
from simo2_core.run.files import disk_error, write_whole
from simo2_core.sections import plain

FILE = "outcome.json"

GEOMETRY = ("largest_class_cosine", "effective_rank", "stuck_pairs")
"""The fields of an evaluation that a trial keeps beside its kNN."""


@dataclass(frozen=True)
class Outcome:
    """One run, finished or diverged."""

    arm: str
    seed: int
    value: Any
    """The choice of the sweep, see `Sweep`, as a file has it; or None."""
    step: int
    diverged: bool
    validation: float
    """kNN@20 of the representation after the last step, on validation, in [0, 1]; 0 when it diverged."""
    seconds: float
    """Spent in training calls: compilation and evaluation are not in it."""
    course: tuple[tuple[int, float, float], ...]
    """(step, seconds of training, validation kNN) of each evaluation."""
    scores: dict[str, dict[str, float]]
    """By features and metric, on test; empty for a trial and for what diverged."""
    class_gram: list[list[float | None]] | None = None
    """(C, C) signed cosines of the class means of test; of the projection where it is trained. Up to 150 classes."""
    geometry: dict[str, float] = field(default_factory=dict)
    """`GEOMETRY` of the projection after the last step, on validation; empty when it diverged."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", plain(self.value))  # a cadence, say, is no JSON

    def write(self, folder: Path) -> None:
        """Writes it whole; raises RunError when the disk refuses."""
        body = asdict(self)
        try:
            write_whole(folder / FILE, json.dumps({**body, "sha256": _digest(body)}, allow_nan=False).encode())
        except OSError as error:
            raise disk_error("writing", folder / FILE, error) from error

    @classmethod
    def read(cls, folder: Path) -> Outcome | None:
        """The outcome in a run's folder, or None when there is none; raises RunError for one that is damaged."""
        path = folder / FILE
        try:
            data = json.loads(path.read_bytes())
            written = data.pop("sha256", None)  # which earlier ones have not
            if written not in (None, _digest(data)):
                raise ValueError("changed since it was written")
            course = tuple((int(step), float(seconds), float(knn)) for step, seconds, knn in data.pop("course"))
            found = cls(course=course, **data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise RunError(f"{path} is damaged ({error!s:.80}). Delete it: it is measured again.") from None
        return found


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
