"""What cleanlab finds in the probabilities that `tests/benchmarks/label_errors.py` kept, where cleanlab is installed.

python tests/peers/cleanlab_issues.py FOLDER/*.npz
"""

import sys
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues

for path in sys.argv[1:]:
    with np.load(path) as file:
        if "shares" not in file:
            continue
        shares, given, true = file["shares"], file["given"], file["true"]
    wrong = given != true
    for rule in ("prune_by_noise_rate", "confident_learning", "both"):
        doubted = find_label_issues(given, shares, filter_by=rule, n_jobs=1)
        hits = int((doubted & wrong).sum())
        print(
            f"{Path(path).stem:<12} cleanlab {rule:<20} {doubted.sum():>6,} found of {wrong.sum():,}: "
            f"precision {hits / max(1, doubted.sum()):.3f}, recall {hits / wrong.sum():.3f}"
        )
