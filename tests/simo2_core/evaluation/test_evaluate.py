from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from simo2_core.analysis.embed import TrainedEncoder
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


def test_raw_pixels_of_large_images_are_those_of_smaller_ones() -> None:
    images = np.zeros((3, 224, 448, 3), np.uint8)
    images[1, :, 224:] = 51
    pixels = flatten_pixels(DataPart(images, np.array([0]), np.array([2])))
    assert pixels.shape == (2, 48 * 96 * 3)
    np.testing.assert_allclose(pixels[1].reshape(48, 96, 3)[:, 48:], 0.2)


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
    assert event.least_class_cosine == event.largest_class_cosine == 0
    assert evaluate.evaluate(seen, DIGITS, "validation", 1, raw_pixels=0.5, gathers=False).event.stuck_pairs is None


def test_views_are_measured_apart_from_the_plain_numbers() -> None:
    def embed(_params: Any, _stats: Any, images: Any, _mean: Any, _std: Any) -> tuple[Any, Any]:
        flat = images.reshape(len(images), -1).astype(np.float32)
        return flat, flat / np.linalg.norm(flat, axis=1, keepdims=True).clip(1e-6)

    encoder = TrainedEncoder(embed, {}, {}, DIGITS.mean, DIGITS.std, DIGITS.image_shape, batch=100)
    part, _ = looked_at(DIGITS, "validation")
    images = part.gather().astype(np.float32)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    mean = 0.5 * images + 0.25 * padded[:, :-2, :-2] + 0.25 * padded[:, 2:, 2:]
    plain = encoder.represent_views(part, mirror=False)
    np.testing.assert_allclose(plain, mean.reshape(len(part), -1), rtol=1e-5, atol=1e-4)
    both = (mean + mean[:, :, ::-1]).reshape(len(part), -1) / 2
    np.testing.assert_allclose(encoder.represent_views(part, mirror=True), both, rtol=1e-5, atol=1e-4)

    def classes_of(h_nf: NDArray[np.float32]) -> NDArray[np.int32]:
        return h_nf.argmax(axis=1).astype(np.int32) % 10

    def measured(views: Any) -> Any:
        return evaluate.evaluate(encoder, DIGITS, "validation", 1, 0.5, classes_of, views=views).event

    with_views, without = measured(partial(encoder.represent_views, mirror=False)), measured(None)
    assert without.knn_views is without.classifier_views is None
    assert with_views.knn_representation == without.knn_representation
    assert with_views.knn_views == pytest.approx(without.knn_representation, abs=0.15)
    assert with_views.classifier_views is not None


def test_a_result_below_raw_pixels_is_warned_of() -> None:
    seen = evaluated(400, 1.0, "test")
    assert result_alarms(replace(seen, knn_representation=seen.knn_raw_pixels)) == []
    [alarm] = result_alarms(replace(seen, knn_representation=0.5))
    assert (alarm.code, alarm.step) == ("below_raw_pixels", 400)
    assert "test kNN is 50.00%, below the 97.20% of raw pixels" in alarm.message
