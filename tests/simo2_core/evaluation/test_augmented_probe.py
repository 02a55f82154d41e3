from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from simo2_core.checkpoints.checkpoint import find_checkpoint
from simo2_core.data.load import load_dataset
from simo2_core.evaluation import augmented_probe as module
from simo2_core.evaluation.augmented_probe import RATES, augmented_probe
from simo2_core.evaluation.features import Features, dataset_for, features_of
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

TINY = DIGITS.replace(QUIET | {"steps": 40, "learning_rate": 1e-2})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = RunDirectory.create(tmp_path_factory.mktemp("runs"), "one", TINY)
    list(record(train(TINY, run, Control(run.control), pictures=False), run, say=lambda _: None))
    checkpoint = find_checkpoint(run.checkpoints)
    dataset = dataset_for(run, checkpoint, None)
    return checkpoint, dataset, features_of(run.path / "eval", checkpoint, dataset)


def test_it_comes_near_to_what_logistic_regression_finds(trained: tuple[Path, Any, Any]) -> None:
    checkpoint, dataset, features = trained
    said: list[str] = []
    found = augmented_probe(checkpoint, dataset, features, epochs=40, say=said.append)
    assert set(found) == set(Features._fields)
    assert said[-1].endswith("epoch 40 of 40")
    parts = load_dataset(TINY.data).parts
    train_part, test = features["train"].representation, features["test"].representation
    mean, std = train_part.mean(axis=0), train_part.std(axis=0)
    fitted = LogisticRegression(max_iter=2000).fit((train_part - mean) / std, parts["train"].labels)
    best = fitted.score((test - mean) / std, parts["test"].labels)
    assert found["representation"].accuracy == pytest.approx(best, abs=0.06)
    assert found["representation"].accuracy > found["projection"].accuracy - 0.1
    assert all(probe.learning_rate in RATES for probe in found.values())


def test_a_rate_trained_among_others_is_as_if_alone(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, dataset, features = trained
    together = augmented_probe(checkpoint, dataset, features, epochs=2)
    assert augmented_probe(checkpoint, dataset, features, epochs=2) == together, "the same seed, the same numbers"
    for name, probe in together.items():
        monkeypatch.setattr(module, "RATES", (probe.learning_rate,))
        alone = augmented_probe(checkpoint, dataset, features, epochs=2)[name]
        np.testing.assert_allclose(alone, probe, atol=0.003)
