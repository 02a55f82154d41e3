from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from simo2_core.config import Config
from simo2_core.errors import ConfigError, DataError
from simo2_core.model.airbench import whitening_filters
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.train import preparation
from simo2_core.train.budget import FIRST_STEPS
from simo2_core.train.preparation import prepare, prepare_with_leader
from simo2_core.train.trainer import train

DIGITS = PRESETS["digits"].config.replace({"widths": "8", "stem_width": 4})


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the first process tells the others; they hear it in the same process here."""
    told: list[bytes] = []

    def share_bytes(data: bytes) -> bytes:
        if data:
            told.append(data)
        return told[-1]

    monkeypatch.setattr(preparation, "share_bytes", share_bytes)
    return told


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"label_fraction": 0.1},
        {"labels_per_class": 5},
        {"labels_per_class": 5, "seed": 7},
        {"labels": "none", "samples_per_class": 2},
        {"labels": "none", "label_fraction": 0.2, "samples_per_class": 2},
        {"split_seed": 3, "validation_fraction": 0.3},
    ],
)
def test_every_process_draws_from_what_one_would(said: list[bytes], changes: dict[str, Any]) -> None:
    leader = prepare(DIGITS.replace(changes))
    leader.tell()
    other = prepare_with_leader()
    assert (other.config, other.placement.where) == (leader.config, leader.placement.where)
    for name in ("offsets", "counts"):
        np.testing.assert_array_equal(getattr(other.drawn.train, name), getattr(leader.drawn.train, name))
    assert other.batch_size == leader.batch_size == leader.config.batch_size


def test_a_process_that_would_draw_from_other_images_is_refused(
    said: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(DIGITS.replace({"label_fraction": 0.1})).tell()
    monkeypatch.setattr(preparation, "with_labels", lambda dataset, *_: dataset)
    with pytest.raises(DataError, match="Give every process the same files"):
        prepare_with_leader()


def test_an_encoder_is_fitted_on_training_images_alone_and_the_same_by_every_process() -> None:
    config = DIGITS.replace({"encoder": "airbench", "groups": "4"})
    ready = prepare(config)
    first, again, not_yet = (
        ready.begin(config, fit=fit)[1].stats["encoder/stem/kernel"] for fit in (True, True, False)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, not_yet)
    seen = ready.data.train.thin(config.model.encoder.fits_on).gather().astype(np.float32) / 255
    expected = whitening_filters((seen - ready.data.mean) / ready.data.std)
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-5)


def test_fewer_classes_than_asked_for_make_a_smaller_batch() -> None:
    assert prepare(DIGITS.replace({"batch_size": 512, "samples_per_class": 8})).batch_size == 80
    assert prepare(DIGITS.replace({"batch_size": 512, "samples_per_class": 8, "labels": "none"})).batch_size == 512


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable to initialize backend 'tpu': gone")])
def test_a_device_that_is_not_there_is_one_line_and_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def devices() -> None:
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    run = RunDirectory.create(tmp_path, "one", Config())
    with pytest.raises(ConfigError, match=r"JAX_PLATFORMS is 'cuda', .* Unset JAX_PLATFORMS"), run.own():
        next(train(Config(), run, Control()))
    assert not run.path.exists()


@pytest.mark.parametrize(
    ("changes", "taken", "spent", "steps"),
    [
        ({"steps": 300}, 0, 0.0, 300),
        ({"steps": 300, "minutes": 10.0}, 0, 0.0, FIRST_STEPS),
        ({"steps": 300, "minutes": 10.0}, 200, 60.0, 300),
        ({"steps": 300, "minutes": 10.0}, 300, 300.0, 600),
        ({"steps": 300, "minutes": 10.0}, 300, 0.0, FIRST_STEPS),
        ({"steps": 300, "minutes": 10.0}, 300, 598.0, 300),
        ({"steps": 200_000, "minutes": 10.0}, 200_000, 30.0, 400_000),
        ({"steps": 300, "minutes": 10.0, "max_passes": 3}, 0, 0.0, 25),
        ({"steps": 25, "minutes": 10.0, "max_passes": 3}, 25, 1.0, 25),
        ({"steps": 25, "minutes": 10.0, "max_passes": 6}, 25, 1.0, 49),
        ({"labels": "none", "steps": 300, "minutes": 10.0, "max_passes": 3}, 0, 0.0, 389),
        (
            {
                "labels": "none",
                "sampling": "proportional",
                "objective": "autoencoder",
                "minutes": 10.0,
                "max_passes": 3,
            },
            0,
            0.0,
            25,
        ),
    ],
    ids=[
        "by-steps",
        "new",
        "planned",
        "more-minutes",
        "more-minutes-than-nobody-counted",
        "complete",
        "more-minutes-of-many-steps",
        "most-passes",
        "all-passes",
        "more-passes",
        "passes of images without labels, each of which is in a batch three times",
        "and once where they are drawn in proportion",
    ],
)
def test_a_run_for_a_time_begins_with_room_where_nobody_has_planned_and_all_processes_know(
    said: list[bytes], changes: dict[str, Any], taken: int, spent: float, steps: int
) -> None:
    ready = prepare(DIGITS.replace(changes)).with_room(taken, spent)
    ready.tell()
    assert (ready.config.steps, prepare_with_leader().config.steps) == (steps, steps)


def test_a_few_more_minutes_are_used() -> None:
    ready = prepare(DIGITS.replace({"steps": 25, "minutes": 11.0}))
    assert ready.with_room(25, 600.0, 11.0).config.steps == 25, "it has ended"
    assert ready.with_room(25, 600.0, 10.0).config.steps > 25


def test_minutes_that_are_given_later_are_planned_whatever_steps_were_left() -> None:
    ready = prepare(DIGITS.replace({"steps": 400, "minutes": 20.0}))
    assert ready.with_room(250, 4.0, 20.0).config.steps == 400, "these were planned for the time"
    assert ready.with_room(250, 4.0, 0.0).config.steps == 250 * 300
    assert ready.with_room(250, 4.0, 10.0).config.steps == 250 * 300
