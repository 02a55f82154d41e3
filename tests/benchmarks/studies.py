"""The comparisons that the guide reports, by `simo2 compare`, and a figure of those that vary one number.

    python -m tests.benchmarks.studies FOLDER [NAME ...]

trains what is missing of each study into FOLDER, and prints the tables. `letters` is made there, and so are the sets
with rare classes; those of photographs want SIMO2_CIFAR10, a folder with train/CLASS and test/CLASS. An interrupted
study goes on when it is started again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import letters, rare

OF_THEN = "--epsilon-start auto --distance euclidean --dropout 0.2"
"""What the older studies were made with: arms that do not say otherwise have the published distance and an ε that falls
where images of a class are few, and the encoder drops what the original does."""
THEN = f"--negatives slots --epsilon-until 1 {OF_THEN}"
"""Older still: the published pairs, and where ε falls it falls over the whole run."""
OF_LETTERS = (
    "--image-size 16 --stem-width 16 --widths 16,32,64 --embedding-size 32 --samples-per-class 16 --batch-size 160 "
    "--schedule cosine --saturation 0"
)
OF_NOW = f"{OF_LETTERS} --steps 400 --learning-rate 0.004 --eval-every 400"
"""What simo2 takes by itself."""
LETTERS = f"{OF_LETTERS} --steps 800 --learning-rate 0.002 --eval-every 200 {THEN}"
BATCHES = f"{OF_LETTERS} --steps 400 --learning-rate 0.004 --eval-every 200 {THEN}"
GATHER = f"{OF_NOW} {OF_THEN}"
DIGITS = f"--eval-every 400 {OF_THEN}"
FAIR = (
    BATCHES.replace("--schedule cosine", "--schedule warmup_cosine").replace("class 16", "class 8")
    + " --eval-every 400"
)
"""A warm-up of a tenth of the steps, for losses that a large rate collapses without one; batches of 20 × 8."""
WARMED = OF_NOW.replace("--schedule cosine", "--schedule warmup_cosine").replace("class 16", "class 8")
"""The same of what simo2 takes by itself."""
OF_PHOTOGRAPHS = (
    "--image-size 16 --stem-width 16 --widths 32,64,128 --embedding-size 16 --steps 800 --learning-rate 0.002 "
    "--schedule cosine --flip --label-fraction 0.2"
)
PHOTOGRAPHS = (
    f"{OF_PHOTOGRAPHS} --samples-per-class 16 --batch-size 160 --eval-every 200 --negatives slots --distance euclidean "
    "--dropout 0.2"
)
FEW = f"{OF_PHOTOGRAPHS} --samples-per-class 8 --batch-size 80 --eval-every 800"
"""Batches of 10 × 8, and what simo2 takes by itself."""
SHAPES = (4, 8, 10, 12, 16, 32, 80)
"""Images of a class in a batch of 160: seven ways to cut it."""
DISTANCES = ("simo2", "simo2-line")
PAPER = "simo2:pull=1:epsilon_start=none"
"""The published settings, as an arm that takes more of them."""
PARTS = ("simo2:pull=1:epsilon_start=1", "simo2:pull=1:same_bias=1", "simo2:pull=1:epsilon=1")
"""In place of the pull: an ε that falls, a b of pairs of one class, and an ε that is large all along."""
PULLS = ((4, "balanced"), (8, "balanced"), (4, 33.33), (8, 10.857), (12, 4.364), (16, 3), (32, 3))
"""Images of a class and the pull: half of what simo2 takes by itself, twice that, and more than the paper's."""
DROPOUTS = [f"simo2:dropout={share}" for share in (0, 0.1, 0.2)]
BIASES = ("0", "1/36", "1/18", "1/9", "5/18")
"""0, ½, 1, 2 and 5 times the threshold that the author gives, 1/(2(C − 1)), for ten classes."""
RATES = "lr=0.001,0.004"
FRONTIER = (
    "simo2-line", "simo2:steps=1200",
    "simo2-course:steps=1200", "simo2-line:steps=1200", "simo2:epsilon=0.1", "simo2:epsilon_until=0.5",
    "simo2:learning_rate=0.002",
)  # fmt: skip
"""What might end more orthogonal than the default."""
MEANS = ("simo2", "simo2:reduction=mean", "simo2:reduction=mean:pull=2:epsilon_start=1")
"""Sums over pairs, means over them, and means with a pull and an ε that falls."""
FALLING = ((16, 1.2), (13, 1.83), (20, 1), (13, 1))
"""Images of a class and the pull, twice the balanced one or 1, where the default let no ε fall."""
FRESH = ((13, 160, 1.8333), (16, 160, 1.2), (16, 256, 2), (20, 160, 1))
"""Images of a class and of a batch, and a pull, around the border of what `auto` decides."""
FREE = {loss: [f"{loss}:labels=none:samples_per_class={k}" for k in (2, 16)] for loss in ("simo2", "mcr2")}
"""Without labels; MCR² is the rate of all views against that of the views of an image."""
EMP = [f"emp_ssl:labels=none:samples_per_class={k}" for k in (4, 16)]
FREE_RATES = "lr=0.001,0.002,0.004,0.008"
FREE_DIGITS = "--embedding-size 64 --steps 1000 --eval-every 1000"
FEW_VARIANTS = (
    PAPER, f"{PAPER}:same_bias=1", f"{PAPER}:epsilon=1", "simo2:pull=1:epsilon_start=1", "simo2:epsilon_start=1",
    "simo2:epsilon_start=1:epsilon_until=1", "simo2:epsilon_start=1:negatives=slots",
    "simo2:epsilon_start=1:distance=euclidean",
)  # fmt: skip
"""What might gather images where those of a class are few: each cure by itself, and beside an ε that falls."""
MANY_VARIANTS = (
    "simo2", "simo2-published", "simo2:distance=euclidean", "simo2:epsilon=0.1", "simo2:epsilon_start=1",
    "simo2:pull=3", "simo2:same_bias=1", "simo2:embedding_size=64:pull=3:same_bias=1",
)  # fmt: skip
"""What might gather photographs in batches of many images of each class."""
VARIED = {
    "epsilon": ("0.0005", "0.1", "1"),
    "orth_lean": ("0", "0.1"),
    "bias": ("0.25", "0.5"),
}


@dataclass(frozen=True)
class Study:
    """One comparison."""

    data: str
    arms: Sequence[str]
    settings: str = ""
    seeds: int = 2
    sweep: str | None = None


def _in_shapes(arms: Sequence[str], shapes: Sequence[int]) -> list[str]:
    return [f"{arm}:samples_per_class={k}" for k in shapes for arm in arms]


def _falling(pull: float) -> tuple[str, ...]:
    """The paper's pull and ε, and an ε that falls with `pull` and with the paper's."""
    return (PAPER, *(f"simo2:pull={weight}:epsilon_start=1" for weight in dict.fromkeys((pull, 1))))


def _varied(setting: str, values: Sequence[str]) -> list[str]:
    return [f"{arm}:{setting}={value}" for arm in DISTANCES for value in values]


STUDIES = {
    "letters": Study("letters", ("simo2", "simo2-line", "supcon", "cross_entropy"), LETTERS, 3, "lr=0.002,0.006"),
    "letters-batches": Study(
        "letters",
        [f"{PAPER}:samples_per_class={k}{rule}" for rule in ("", ":reduction=mean") for k in (4, 8, 16, 32, 80)],
        BATCHES,
    ),
    "letters-few-pairs": Study(
        "letters",
        (
            f"{PAPER}:samples_per_class=10", f"{PAPER}:samples_per_class=12",
            f"{PAPER}:samples_per_class=8:distance=line",
            f"{PAPER}:samples_per_class=8:bias=0.25", f"{PAPER}:samples_per_class=8:epsilon=0.1",
            "supcon:samples_per_class=8",
        ),
        BATCHES,
    ),
    "letters-gathering": Study(
        "letters", _in_shapes(("simo2-published", "simo2"), SHAPES), OF_NOW, 5
    ),
    "letters-distance": Study("letters", _in_shapes(("simo2:distance=euclidean",), SHAPES), OF_NOW, 5),
    "digits-distance": Study(
        "digits",
        [*_in_shapes(("simo2", "simo2-line"), (4, 16, 32)), "simo2-line:samples_per_class=16:negatives=all"],
        f"{DIGITS} --epsilon-until 0.5", 5,
    ),
    "digits-dropout": Study(
        "digits", [f"simo2-line:dropout={share}:samples_per_class={k}" for k in (16, 4) for share in (0, 0.1)],
        f"{DIGITS} --epsilon-until 0.5", 5,
    ),
    "letters-dropout": Study(
        "letters", _in_shapes(DROPOUTS, SHAPES), f"{OF_NOW} --epsilon-start auto", 5
    ),
    "letters-dropout-others": Study(
        "letters",
        _in_shapes(
            [f"{arm}:dropout=0.2" for arm in ("cross_entropy", "supcon", "simo2-published")], SHAPES
        ),
        OF_NOW, 5,
    ),
    "letters-falling": Study(
        "letters",
        (
            *_in_shapes(("simo2", "simo2-line", "simo2-course"), (4, 8, 10, 12)),
            *_in_shapes(("simo2:pull=1:epsilon_start=1",), (16, 32, 80)),
        ),
        f"{GATHER} --epsilon-until 1", 5,
    ),
    "letters-others": Study(
        "letters", _in_shapes(("supcon", "cross_entropy"), SHAPES), OF_NOW, 5
    ),
    "letters-paper": Study(
        "letters",
        [
            *_in_shapes((PAPER,), SHAPES[:4]),
            *_in_shapes(("simo2:pull=1.2", "simo2:pull=1.2:epsilon_start=1"), (16,)),
        ],
        OF_NOW, 5,
    ),
    "letters-few": Study(
        "letters", ("simo2-published", "simo2"), f"{OF_NOW} --samples-per-class 10 --batch-size 260", 3
    ),
    "letters-parts": Study("letters", _in_shapes(PARTS, SHAPES), OF_NOW, 5),
    "letters-beside": Study(
        "letters",
        [
            *_in_shapes(("simo2:epsilon_start=1",), SHAPES[:4]),
            *_in_shapes(("simo2:same_bias=1", "simo2:dropout=0.1"), (4, 8, 12)),
        ],
        OF_NOW, 5,
    ),
    "digits-parts": Study(
        "digits", _in_shapes(("simo2:epsilon_start=1", *PARTS[:2], PAPER), (4,)), "--eval-every 400", 5
    ),
    "letters-pulls": Study("letters", [f"simo2:pull={pull}:samples_per_class={k}" for k, pull in PULLS], OF_NOW),
    "letters-long": Study(
        "letters", ("simo2:steps=1200",), f"{OF_NOW} --samples-per-class 8", 3
    ),
    "digits-until": Study(
        "digits", [f"simo2:samples_per_class=4:negatives=all:epsilon_until={until}" for until in ("1", "0.5")],
        DIGITS, 5,
    ),
    "letters-borders": Study(
        "letters",
        (
            "simo2-line:samples_per_class=4", "simo2:pull=1:epsilon_start=1:samples_per_class=16",
            "simo2:epsilon_until=0.25:samples_per_class=4", "simo2:epsilon_until=0.25:samples_per_class=8",
            "simo2-line:samples_per_class=8", "simo2:epsilon_until=0.75:samples_per_class=4",
        ),
        GATHER, 5,
    ),
    "letters-rule": Study(
        "letters",
        [f"simo2:pull={pull}:epsilon_start=1:samples_per_class={k}" for k, pull in FALLING]
        + _in_shapes((PAPER,), (13, 20)),
        GATHER, 5,
    ),
    "letters-fresh": Study(
        "letters",
        [f"{arm}:samples_per_class={k}:batch_size={size}" for k, size, pull in FRESH for arm in _falling(pull)]
        + ["simo2:samples_per_class=10:batch_size=260"],
        f"{GATHER} --seed 5", 5,
    ),
    "digits-fresh": Study("digits", (*_falling(1.2), "simo2:negatives=all"), f"{DIGITS} --seed 5", 5),
    "digits-rule": Study(
        "digits",
        (
            "simo2:pull=1.2:epsilon_start=1:samples_per_class=16", "simo2:pull=1:epsilon_start=1:samples_per_class=32",
            "simo2:pull=1.2:epsilon_start=1:samples_per_class=16:negatives=all",
        ),
        f"{DIGITS} --epsilon-until 0.5", 5,
    ),
    "letters-negatives": Study(
        "letters",
        _in_shapes(("simo2:negatives=slots",), SHAPES), OF_NOW, 5,
    ),
    "letters-tried": Study(
        "letters",
        [
            f"simo2:samples_per_class={k}:pull={pull}:epsilon_start={start}"
            for k, pull, start in (
                (4, 25, 1), (4, 8.333, 10), (4, 16.67, 10), (8, 8.14, 1), (8, 2.714, 10), (8, 5.43, 10), (16, 1.2, 1),
                (32, 0.258, 1), (32, "balanced", 1), (32, 1, 1),
            )
        ],
        f"{BATCHES} --eval-every 400",
    ),
    "digits-mean": Study("digits", _in_shapes(MEANS, (4, 16)), f"{DIGITS} --epsilon-until 1"),
    "letters-mean": Study("letters", _in_shapes(MEANS[1:], (8,)), f"{BATCHES} --eval-every 400"),
    "letters-mean-now": Study("letters", _in_shapes(("simo2:reduction=mean",), (8, 16)), OF_NOW),
    "letters-rates": Study("letters", ("supcon", "cross_entropy"), FAIR, 2, RATES),
    "letters-course": Study(
        "letters", _in_shapes(("simo2-published", "simo2:pull=1:epsilon_start=1"), (13, 20)),
        f"{GATHER} --epsilon-until 1",
    ),
    "letters-frontier": Study("letters", FRONTIER, f"{GATHER} --samples-per-class 8 --epsilon-until 1", 3),
    **{
        f"{data}-rare-{every}": Study(
            f"{data}-rare-{every}", ("simo2", "supcon", "cross_entropy", "cross_entropy:sampling=proportional"),
            settings, 3,
        )
        for data, settings in (("digits", "--schedule warmup_cosine --eval-every 400"), ("letters", WARMED))
        for every in (10, 100)
    },
    "digits-course": Study(
        "digits", _in_shapes(("simo2-published", "simo2:pull=1:epsilon_start=1"), (16, 32)),
        f"{DIGITS} --epsilon-until 1", 3,
    ),
    "digits-gathering": Study(
        "digits", _in_shapes(("simo2-published", "simo2"), (4,)), "--eval-every 400", 5
    ),
    "letters-unseen": Study(
        "letters", _in_shapes(("simo2-published", "simo2", "supcon", "cross_entropy"), (8,)),
        f"{OF_NOW} --hold-out-classes 0.5", 3,
    ),
    "digits-negatives": Study(
        "digits",
        [f"simo2:samples_per_class={k}:negatives={which}" for k in (4, 16, 32) for which in ("slots", "all")],
        f"{DIGITS} --epsilon-until 1", 5,
    ),
    "digits-thresholds": Study(
        "digits", [f"simo2:bias={b}:epsilon={e}" for e in ("1/137", "0.1", "1", "10") for b in BIASES],
        "--eval-every 400 --distance euclidean",
    ),
    "digits-thresholds-line": Study("digits", [f"simo2:bias={b}" for b in BIASES], "--eval-every 400"),
    "digits-free": Study(
        "digits",
        [f"{arm}:labels=none:samples_per_class={k}" for k in (2, 4, 16) for arm in ("simo2", "simo2-published")]
        + ["simclr"],
        FREE_DIGITS, 3,
    ),
    **{
        f"{data}-free-{name}": Study(data, arms, settings, 3, sweep)
        for data, settings in (
            ("digits", FREE_DIGITS),
            ("letters", f"{OF_NOW.replace('-size 32', '-size 64')} --steps 1000 --eval-every 1000"),
        )
        for name, arms, sweep in (
            ("tuned", FREE["simo2"], FREE_RATES),
            ("mcr2", FREE["mcr2"], FREE_RATES),
            ("emp", EMP, f"{FREE_RATES}:invariance=10,200"),
            ("simclr", ("simclr",), f"{FREE_RATES}:temperature=0.1,0.2,0.5"),
        )
    },
    "photographs": Study(
        "cifar10", ("simo2", "simo2-line", "supcon", "cross_entropy"), PHOTOGRAPHS, 2,
        "lr=0.0007,0.002,0.006",
    ),
    "photographs-gathering": Study(
        "cifar10", MANY_VARIANTS, "--recipe fast --groups 32,128,128 --steps 200 --eval-every 200 --no-test-views", 3
    ),
    "photographs-few-gathering": Study("cifar10", FEW_VARIANTS, FEW, 3),
    "photographs-few": Study(
        "cifar10",
        ("simo2-published", "simo2", "supcon", "cross_entropy", "simo2:samples_per_class=16:batch_size=160"), FEW, 3,
    ),
    **{
        f"photographs-dropout-{name}": Study(
            "cifar10", DROPOUTS, f"{FEW} --label-fraction {share} --epsilon-start auto", 3
        )
        for name, share in (("few", 0.2), ("fewer", 0.02))
    },
    "photographs-seeds": Study(
        "cifar10", ("supcon", "cross_entropy", "simo2", "simo2:negatives=slots"),
        "--recipe fast --steps 342 --eval-every 171 --no-test-views --precision bfloat16 --distance euclidean", 3
    ),
    "digits-dimensions": Study(
        "digits", _varied("embedding_size", ("2", "4", "6", "10", "16")), "--distance euclidean --dropout 0.2"
    ),
    "letters-settings": Study(
        "letters", ("simo2", *(f"simo2:{name}={value}" for name, values in VARIED.items() for value in values)), LETTERS
    ),
    "digits-views": Study(
        "digits", ("simclr", "simo2-views:samples_per_class=16", "simo2-line-views:samples_per_class=16"),
        "--embedding-size 64 --steps 1000 --eval-every 250 --dropout 0.2", 3,
    ),
}  # fmt: skip


def _options(folder: Path, data: str) -> list[str]:
    """Those that name a data set, which is made in `folder` where it is not there yet."""
    if data == "digits":
        return ["--preset", "digits"]
    if data == "cifar10":
        return ["--dataset", os.environ.get("SIMO2_CIFAR10", "")]
    name, _, every = data.partition("-rare-")
    make = {"letters": letters.main, "digits": rare.write_digits}[name]
    place = folder / ("letters" if name == "letters" else "digits")
    if not place.is_dir():
        make(place)
    if every and not (folder / data).is_dir():
        rare.thin(place, folder / data, int(every))
    return [*(["--preset", "digits"] if name == "digits" else []), "--dataset", str(folder / data)]


def train(folder: Path, name: str) -> Path:
    """Carries a study out, or what is missing of it; returns the folder of its results."""
    study = STUDIES[name]
    command = [
        sys.executable, "-m", "simo2_tui.start", "compare", *_options(folder / "data", study.data),
        "--objectives", ",".join(study.arms), "--seeds", str(study.seeds), "--devices", "1",
        "--run-dir", str(folder), "--name", name, *study.settings.split(),
    ]  # fmt: skip
    if study.sweep:
        command += ["--sweep", study.sweep]
    subprocess.run(command, check=True)
    return folder / name


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    for wanted in sys.argv[2:] or STUDIES:
        train(place, wanted)
