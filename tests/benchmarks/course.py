"""Validation kNN against the time of training, of runs that are there: a picture for the guide.

python -m tests.benchmarks.course OUT.png "simo2, an hour=runs/one" "SupCon=runs/two"
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simo2_core.analysis.plots.compare import draw_course
from simo2_core.compare.carry_out import course_of
from simo2_core.run.directory import RunDirectory


def draw(out: Path, named: Sequence[str], caption: str) -> Path:
    """Draws one line a run, each given as `NAME=FOLDER`."""
    courses = {}
    for name, _, folder in (text.rpartition("=") for text in named):
        course = course_of(RunDirectory.open(Path(folder)))
        courses[name] = [(np.array([seconds for _, seconds, _ in course]), np.array([knn for _, _, knn in course]))]
    return draw_course(out, courses, caption)


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]), sys.argv[2:], "one seed each · validation, 5,000 images"))
