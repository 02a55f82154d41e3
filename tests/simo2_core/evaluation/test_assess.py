import dataclasses
import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from simo2_core.analysis.classification import classification
from simo2_core.analysis.metrics import knn_accuracy
from simo2_core.checkpoints.checkpoint import find_checkpoint
from simo2_core.data.labels import with_labels
from simo2_core.data.load import load_dataset
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError, DataError
from simo2_core.evaluation import features as module
from simo2_core.evaluation.assess import FEATURES, Assessment, assess, summarise
from simo2_core.evaluation.evaluate import flatten_pixels
from simo2_core.evaluation.features import folder_of
from simo2_core.evaluation.measures import own_metrics
from simo2_core.evaluation.restore import load_encoder, untrained_encoder
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.step import make_training
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

TINY = DIGITS.replace(QUIET | {"steps": 20, "learning_rate": 1e-2})
LEARNED = ("representation", "projection")
"""What the trained encoder gives: to measure the other features again would say no more."""
QUICK = tuple(metric for metric in own_metrics() if metric.name in ("knn", "few_shot"))
"""Neighbours, and what is drawn at random: enough to compare where it is not the metrics that are tested."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, Path]:
    run = RunDirectory.create(tmp_path_factory.mktemp("runs"), "one", TINY)
    list(record(train(TINY, run, Control(run.control), pictures=False), run))
    return run, find_checkpoint(run.checkpoints)


@pytest.fixture(scope="module")
def found(trained: tuple[RunDirectory, Path]) -> Assessment:
    return assess(*trained)


def test_everything_is_measured_on_everything(found: Assessment) -> None:
    assert tuple(found.worth) == FEATURES
    for name, worth in found.worth.items():
        assert list(worth.scores) == [row.key for row in found.rows], name
        for row in found.rows:
            assert not row.share or 0 <= worth.scores[row.key].mean <= 1
    assert {row.split for row in found.rows} == {"test", "train"}, (
        "nothing is said of unseen classes where there are none"
    )
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["scores"]["raw_pixels"]["knn_20"]["value"] > 0.9
    assert found.classes.confusion.sum() == found.images["test"] == 359


def test_the_headline_is_that_of_training(trained: tuple[RunDirectory, Path], found: Assessment) -> None:
    event = next(e for e in trained[0].events() if getattr(e, "split", "") == "test")
    assert found.worth["representation"].scores["knn_20"].mean == event.knn_representation  # type: ignore[attr-defined]
    assert found.worth["raw_pixels"].scores["knn_20"].mean == event.knn_raw_pixels  # type: ignore[attr-defined]
    assert np.trace(found.classes.confusion) / 359 == pytest.approx(event.knn_representation)  # type: ignore[attr-defined]


def test_the_random_encoder_is_the_run_before_its_first_step(
    trained: tuple[RunDirectory, Path], found: Assessment
) -> None:
    data = load_dataset(TINY.data)
    encoder = untrained_encoder(trained[1])
    step, state = make_training(TINY, 10, (8, 8, 1))
    from simo2_core.data.augment import normalise

    images = normalise(*map(jnp.asarray, (data.test.gather()[:9], data.mean, data.std)))
    expected = step.network.infer(state.params, state.stats, images)[1]
    np.testing.assert_allclose(encoder.embed(data.test.gather()[:9]), expected, atol=1e-5)
    assert not np.allclose(load_encoder(trained[1]).embed(data.test.gather()[:9]), expected, atol=1e-2)
    accuracy = knn_accuracy(
        encoder.part(data.test)[1], data.test.labels, encoder.part(data.train)[1], data.train.labels, classes=10
    )
    assert found.worth["random_projection"].scores["knn_20"].mean == accuracy


def test_a_run_with_few_labels_is_measured_with_these_unless_all_are_asked_for(
    trained: tuple[RunDirectory, Path], found: Assessment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained[0].path, tmp_path / "few")
    run = RunDirectory.open(tmp_path / "few")
    config = TINY.replace({"labels_per_class": 5})
    run.write_config(config, run.facts)
    monkeypatch.setattr(module, "load_encoder", lambda _: pytest.fail("embedded again for another choice of labels"))
    checkpoint, some = find_checkpoint(run.checkpoints), ("representation", "raw_pixels")
    few = assess(run, checkpoint, features=some, metrics=QUICK)
    assert few.labels == (50, 50, 1295)
    assert few.images["train"] == 50
    data = load_dataset(TINY.data)
    bank = with_labels(data, config.tune, config.seed).train
    pixels = flatten_pixels(data.test), data.test.labels, flatten_pixels(bank), bank.labels
    assert few.worth["raw_pixels"].scores["knn_20"].mean == knn_accuracy(*pixels, classes=10)
    assert few.worth["raw_pixels"].scores["knn_20"] != found.worth["raw_pixels"].scores["knn_20"]
    assert "shot_10" not in few.worth["representation"].scores, "five labels are no ten"
    everything = assess(run, checkpoint, features=some, all_labels=True)
    assert everything.labels == (1295, 50, 1295)
    assert all(everything.to_json()["scores"][name] == found.to_json()["scores"][name] for name in some)
    assert found.labels == (1295, 1295, 1295)
    assert few.to_json()["labels"] == {"used": 50, "seen": 50, "all": 1295}


def test_of_a_class_that_test_lacks_nothing_is_said(found: Assessment) -> None:
    classes = classification(np.array([0, 1]), np.array([0, 2]), classes=3)
    lacking = dataclasses.replace(found, class_names=("a", "b", "c"), classes=classes)
    assert lacking.untested == ["c"]
    assert json.loads(json.dumps(lacking.to_json(), allow_nan=False))["classes"][1:] == [
        {"name": "b", "images": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0},
        {"name": "c", "images": 0, "precision": None, "recall": None, "f1": None},
    ]


def test_images_are_embedded_once(
    trained: tuple[RunDirectory, Path], found: Assessment, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    scores, keys = found.to_json()["scores"], [row.key for metric in QUICK for row in metric.rows]
    learned = {name: {key: scores[name][key] for key in keys} for name in LEARNED}
    monkeypatch.setattr(module, "load_encoder", lambda _: pytest.fail("embedded again"))
    again = assess(*trained, features=LEARNED, metrics=QUICK, say=said.append)
    assert again.to_json()["scores"] == learned, "and the numbers are the same each time"
    assert said
    monkeypatch.undo()
    features = folder_of(*trained, None) / "features.npz"
    features.write_bytes(features.read_bytes()[:1000])
    torn = assess(*trained, features=LEARNED, metrics=QUICK)
    assert torn.to_json()["scores"] == learned, "a torn file is made again"


def test_data_that_changed_is_refused(trained: tuple[RunDirectory, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataclasses.replace(load_dataset(TINY.data), fingerprint="another")
    monkeypatch.setattr(module, "load_dataset", lambda *_, **__: data)
    with pytest.raises(DataError, match="has changed since"):
        assess(*trained)


def test_another_data_set_is_measured_at_the_size_of_the_run(
    trained: tuple[RunDirectory, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[DataConfig] = []

    def load(config: DataConfig, **_: object) -> object:
        asked.append(config)
        return dataclasses.replace(load_dataset(TINY.data), name="other")

    monkeypatch.setattr(module, "load_dataset", load)
    found = assess(*trained, data="some/where", features=("representation",), metrics=QUICK)
    assert (asked[0].dataset, asked[0].image_size, asked[0].channels) == ("some/where", 8, 1)
    assert (found.data, folder_of(*trained, "some/where").name) == ("other", "20-some-where")


def test_a_mean_over_runs_is_by_hand(found: Assessment) -> None:
    worth = dict(found.worth)
    scores = dict(worth["representation"].scores)
    scores["knn_1"] = scores["knn_1"]._replace(mean=scores["knn_1"].mean - 0.2)
    worth["representation"] = dataclasses.replace(worth["representation"], scores=scores)
    other = dataclasses.replace(found, worth=worth)
    summary = summarise([found, other])
    mean, std = summary["representation"]["knn_1"]
    assert mean == pytest.approx(found.worth["representation"].scores["knn_1"].mean - 0.1, abs=1e-6)
    assert std == pytest.approx(0.2 / 2**0.5, abs=1e-6)
    assert summary["raw_pixels"]["knn_1"].interval == 0
    with pytest.raises(ConfigError, match="different images"):
        summarise([found, dataclasses.replace(found, fingerprint="x")])
    with pytest.raises(ConfigError, match="two or more"):
        summarise([found])


def test_images_of_one_class_are_not_measured_by_classes(
    trained: tuple[RunDirectory, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMO2_CACHE", str(tmp_path / "cache"))
    (tmp_path / "heap").mkdir()
    for number in range(6):
        Image.new("L", (8, 8), 40 * number).save(tmp_path / "heap" / f"{number}.png")
    with pytest.raises(DataError, match="the images of heap are of one class"):
        assess(*trained, data=str(tmp_path / "heap"))
