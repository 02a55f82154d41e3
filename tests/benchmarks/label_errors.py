"""How many wrong labels `simo2 clean` finds where it is known which are wrong, beside a plain rule.

`python -m tests.benchmarks.label_errors FOLDER` trains on digits of which 5% have another label, three seeds, and looks
through them; `… FOLDER RUN DATA` looks through DATA, whose labels are right, with the encoder of RUN, and takes others
for 5% of them. FOLDER/NAME.npz keeps the shares, which `tests/peers/cleanlab_issues.py` reads.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from simo2_core.analysis.label_errors import doubt_labels, probe_shares, vote_shares
from simo2_core.analysis.nearest import nearest_others, unit_float32
from simo2_core.clean.find import NEIGHBOURS, find_doubts
from simo2_core.evaluation.features import dataset_for, features_of, folder_of
from simo2_core.evaluation.restore import locate
from simo2_core.run.directory import find_run

SHARE, SEEDS = 0.05, 3


def flipped(labels: np.ndarray, seed: int) -> np.ndarray:
    """The labels, `SHARE` of them another class, each other one equally likely."""
    rng, classes = np.random.default_rng(seed), int(labels.max()) + 1
    chosen = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    wrong = labels.copy()
    wrong[chosen] = (labels[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return wrong


def tell(name: str, given: np.ndarray, true: np.ndarray, features: np.ndarray, folder: Path) -> None:
    """Prints what is found by the rule and by the plain one, and keeps the votes."""
    classes = int(true.max()) + 1
    near, cosines = nearest_others(unit_float32(features), NEIGHBOURS)
    doubts = doubt_labels(features, near, cosines, given, classes)
    shares = (vote_shares(near, cosines, given, classes) + probe_shares(features, given, classes)) / 2
    wrong = given != true
    for rule, doubted in (("simo2 clean", doubts.doubted), ("another class leads", shares.argmax(axis=1) != given)):
        hits = int((doubted & wrong).sum())
        right = np.mean(doubts.suggested[doubted & wrong] == true[doubted & wrong])
        print(
            f"{name:<12} {rule:<20} {doubted.sum():>6,} found of {wrong.sum():,}: "
            f"precision {hits / doubted.sum():.3f}, recall {hits / wrong.sum():.3f}, suggestion right {right:.3f}"
        )
    np.savez(folder / f"{name}.npz", shares=shares, given=given, true=true)


def digits(folder: Path) -> None:
    """Trains on wrong labels, as somebody would who does not know."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    for seed in range(SEEDS):
        data, name = folder / f"digits-{seed}-data.npz", f"digits-{seed}"
        np.savez(data, images=images, labels=flipped(bunch.target, seed))
        train = ["train", "--preset", "digits", "--dataset", str(data), "--run-dir", str(folder), "--name", name]
        subprocess.run(["simo2", *train, "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL)
        run, checkpoint = find_run(name, folder), locate(name, folder)
        found = find_doubts(run, checkpoint)
        made = features_of(folder_of(run, checkpoint, None), checkpoint, dataset_for(run, checkpoint, None))
        features = np.concatenate([part.representation for part in made.values()])
        true = bunch.target[[int(name.split()[-1]) for name in found.names]]
        tell(name, found.labels, true, features, folder)
        tell(f"pixels-{seed}", flipped(bunch.target, seed), bunch.target, bunch.data, folder)


def others(folder: Path, text: str, data: str) -> None:
    """Looks through images that the encoder was not trained on."""
    run, checkpoint = find_run(text, Path("runs")), locate(text, Path("runs"))
    dataset = dataset_for(run, checkpoint, data)
    made = features_of(folder_of(run, checkpoint, data), checkpoint, dataset)
    features = np.concatenate([made[name].representation for name in dataset.parts])
    true = np.concatenate([part.labels for part in dataset.parts.values()]).astype(np.int64)
    for seed in range(SEEDS):
        tell(f"{Path(text).name}-{seed}", flipped(true, seed), true, features, folder)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) == 2:
        digits(place)
    else:
        others(place, *sys.argv[2:])
