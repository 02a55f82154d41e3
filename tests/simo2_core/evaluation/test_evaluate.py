from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from simo2_core.data.dataset import DataPart
from simo2_core.data.load import load_dataset
from simo2_core.evaluation import evaluate
from simo2_core.evaluation.evaluate import flatten_pixels, looked_at, raw_pixels_knn, result_alarms
from simo2_core.presets import PRESETS
from tests.simo2_tui.recorded import evaluated

DIGITS = load_dataset(PRESETS["digits"].config.data)


def test_raw_pixels_agree_with_scikit_learn() -> None:
    part, bank = looked_at(DIGITS, "test")
    model = KNeighborsClassifier(20, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
    model.fit(flatten_pixels(bank), bank.labels)
    assert raw_pixels_knn(DIGITS, "test") == pytest.approx(model.score(flatten_pixels(part), part.labels), abs=1e-9)


def test_parts_that_are_looked_at_share_no_image() -> None:
    validation, bank = looked_at(DIGITS, "validation")
    test, _ = looked_at(DIGITS, "test")
    assert not set(validation.rows) & set(bank.rows)
    assert not set(test.rows) & (set(bank.rows) | set(validation.rows))


def test_a_large_part_is_sampled_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluate.AT_MOST, "validation", 50)
    part, bank = looked_at(DIGITS, "validation")
    assert 40 <= len(part) <= 50
    assert 40 <= len(bank) <= 50
    assert (bank.counts >= 1).all()


def test_pairs_that_are_stuck_are_those_of_training_images() -> None:
    class Turned:
        """Half of the images of each class at a right angle to the rest in training, none elsewhere."""

        def part(self, part: DataPart) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            z = np.zeros((len(part), 20), np.float32)
            turned = np.arange(len(part)) % 2 * (len(part) == len(DIGITS.train))
            z[np.arange(len(part)), part.labels + 10 * turned] = 1
            return z, z

    seen: Any = Turned()
    event = evaluate.evaluate(seen, DIGITS, "validation", 1, raw_pixels=0.5).event
    assert event.stuck_pairs == pytest.approx(0.5, abs=0.05)
    assert evaluate.evaluate(seen, DIGITS, "validation", 1, raw_pixels=0.5, gathers=False).event.stuck_pairs is None


def test_a_result_below_raw_pixels_is_warned_of() -> None:
    seen = evaluated(400, 1.0, "test")
    assert result_alarms(replace(seen, knn_representation=seen.knn_raw_pixels)) == []
    [alarm] = result_alarms(replace(seen, knn_representation=0.5))
    assert (alarm.code, alarm.step) == ("below_raw_pixels", 400)
    assert "test kNN is 50.00%, below the 97.20% of raw pixels" in alarm.message
