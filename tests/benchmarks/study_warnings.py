"""Which warnings the runs of studies raised, beside what they came to.

`python -m tests.benchmarks.study_warnings FOLDER STUDY ...` reads what `tests.benchmarks.studies` left in FOLDER.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from simo2_core.compare.outcome import Outcome
from simo2_core.events import Evaluated, WarningRaised
from simo2_core.run.directory import RunDirectory

CODES = ("few-pairs", "pairs_stuck", "classes_opposite", "below_raw_pixels", "collapse")


def main(folder: Path, names: list[str]) -> None:
    for name in names:
        print(f"{name}\n{'':44}{'kNN@20':>16}{'least cos':>18}" + "".join(f"{code:>18}" for code in CODES))
        knn: dict[str, list[float]] = {}
        least: dict[str, list[float]] = {}
        fired: dict[str, Counter[str]] = {}
        for place in sorted((folder / name / "runs").iterdir()):
            outcome = Outcome.read(place)
            if outcome is None or not outcome.scores:
                continue
            events = list(RunDirectory.open(place).events())
            looks = [event.largest_class_cosine for event in events if isinstance(event, Evaluated)]
            knn.setdefault(outcome.arm, []).append(100 * outcome.scores["representation"]["knn_20"])
            least.setdefault(outcome.arm, []).append(looks[-1])
            codes = {event.code for event in events if isinstance(event, WarningRaised)}
            fired.setdefault(outcome.arm, Counter()).update(codes)
        for arm, values in knn.items():
            shown = f"{sum(values) / len(values):.1f} ({min(values):.0f}-{max(values):.0f})"
            cosines = f"{min(least[arm]):.2f} to {max(least[arm]):.2f}"
            counts = "".join(f"{f'{fired[arm][code]} of {len(values)}':>18}" for code in CODES)
            print(f"{arm:44}{shown:>16}{cosines:>18}{counts}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
