"""A stranger's metric: one class of a few lines, in a file of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from simo2_core import parts
from simo2_core.errors import ConfigError
from simo2_core.evaluation.measures import choose_metrics, measure, own_metrics, rows_of
from simo2_core.metrics.metric import accuracy, half_interval

MINE = '''
from dataclasses import dataclass

import numpy as np

from simo2_core.metrics.metric import Metric, Row
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class Spread(Metric):
    """How far rows lie from their mean."""

    power: int = setting(2, "of the distance", at_least=1, at_most=9)

    @property
    def rows(self):
        share = Row("half", "a share", "accuracy", share=True)
        return [Row("spread", "spread", "mine"), share, Row("none", "-", "mine")]

    def measure(self, features, labels, classes, say):
        say("spread")
        away = np.abs(features["test"] - features["test"].mean(axis=0))
        return {"spread": float((away**self.power).mean()), "half": 0.5, "none": float("nan")}


@dataclass(frozen=True, kw_only=True)
class Broken(Spread):
    """Another row, and an error of its own."""

    @property
    def rows(self):
        return [Row("broken", "broken", "mine")]

    def measure(self, features, labels, classes, say):
        raise ZeroDivisionError("no\\nwonder")


class Bare(Spread):
    pass


NOT_ONE = 3
'''
RNG = np.random.default_rng(0)
X = {part: RNG.normal(size=(n, 4)).astype(np.float32) for part, n in (("train", 40), ("validation", 20), ("test", 20))}
Y = {part: np.arange(len(rows), dtype=np.int32) % 4 for part, rows in X.items()}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    monkeypatch.setenv(parts.VARIABLE, "")
    for name in ("Spread", "Broken", "Bare", "NOT_ONE"):
        parts.allow(f"{path}:{name}")
    return str(path)


def test_it_is_measured_beside_our_own_and_stands_in_the_table(mine: str) -> None:
    metrics = choose_metrics([f"{mine}:Spread:power=3"])
    said: list[str] = []
    found = measure(X, Y, classes=4, say=said.append, metrics=metrics)
    away = np.abs(X["test"] - X["test"].mean(axis=0))
    assert found.scores["spread"].mean == pytest.approx(float((away**3).mean()), rel=1e-6)
    assert "none" not in found.scores, "what is not a number could not be measured"
    assert "spread" in said
    rows = rows_of(metrics)
    assert [row.group for row in rows][-2:] == ["mine", "mine"], "a heading of its own comes last"
    labels = [row.label for row in rows if row.group == "accuracy"]
    neighbours = [f"kNN k={k}" for k in (1, 10, 20, 200)]
    assert labels == [*neighbours, "nearest class mean", "nearest mean by r", "linear probe", "a share"]
    assert len(found.predicted) == 20, "the confusion is still that of kNN"


def test_one_that_fails_costs_its_own_rows_alone(mine: str) -> None:
    found = measure(X, Y, classes=4, say=lambda _: None, metrics=choose_metrics([f"{mine}:Broken"]))
    assert found.problems["mine.py:Broken"] == "ZeroDivisionError: no (mine.py, line 36)"
    assert "broken" not in found.scores
    assert found.scores["knn_20"].mean >= 0


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Spread:power=0", "power is '0'|power is 0; it must be from 1 to 9"),
        ("Spread:pwr=3", "Did you mean power"),
        ("Bare", "Write @dataclass"),
        ("NOT_ONE", "must be a subclass of"),
        ("Missing", "neither installed nor named"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(mine: str, named: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        choose_metrics([f"{mine}:{named}"])
    assert "\n" not in str(caught.value)


def test_two_that_measure_the_same_are_refused(mine: str, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(MINE)
    parts.allow(f"{tmp_path / 'other.py'}:Spread")
    with pytest.raises(ConfigError, match=r"other.py:Spread measures 'spread', and so does mine.py:Spread"):
        choose_metrics([f"{mine}:Spread", f"{tmp_path / 'other.py'}:Spread"])


def test_those_of_this_program_and_of_packages_need_no_naming(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spread: Any = parts.find("metric", "mine.py:Spread")
    monkeypatch.setenv(parts.VARIABLE, "")
    monkeypatch.setattr(parts, "_registered", {"metric": {"mine.py:Spread": spread}})
    assert [metric.name for metric in choose_metrics([])][-1] == "mine.py:Spread"
    (changed,) = [metric for metric in choose_metrics(["mine.py:Spread:power=3"]) if metric.name == "mine.py:Spread"]
    assert changed == spread(power=3)
    assert "spread" not in {row.key for row in rows_of()}, "comparisons are of simo2's own numbers"


def test_our_own_take_settings_too() -> None:
    metrics = choose_metrics(["knn:neighbours=1,5"])
    keys = [row.key for row in rows_of(metrics)]
    assert [key for key in keys if key.startswith("knn")] == ["knn_1", "knn_5"]
    found = measure(X, Y, classes=4, say=lambda _: None, metrics=metrics)
    assert len(found.predicted) == 20
    for bad in ("knn:neighbours=", "knn:neighbours=1,1", "knn:neighbours=0", "knn:k=3", "kmm", ""):
        with pytest.raises(ConfigError):
            choose_metrics([bad])


def test_every_row_of_ours_says_what_it_is_and_is_found_by_its_file() -> None:
    assert [metric.name for metric in own_metrics()] == [
        "centroid",
        "clusters",
        "collapse",
        "few_shot",
        "geometry",
        "knn",
        "probe",
        "retrieval",
    ]
    rows = rows_of()
    assert len({row.key for row in rows}) == len(rows) == 47
    assert all(row.label and row.how and row.fit in ("", "train", "test", "unseen") for row in rows)


def test_accuracies_have_the_interval_of_wilson() -> None:
    for right, images in ((359, 359), (358, 359), (5, 10), (0, 3)):
        low, high = binomtest(right, images).proportion_ci(method="wilson")
        assert half_interval(right / images, images) == pytest.approx((high - low) / 2, abs=1e-4)
    labels = np.array([0, 1, 1, 0], np.int32)
    assert accuracy(labels[::-1], labels) == (1.0, half_interval(1.0, 4))
