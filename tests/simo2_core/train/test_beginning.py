from pathlib import Path
from types import SimpleNamespace

import pytest

from simo2_core.config import Config
from simo2_core.run.directory import RunDirectory
from simo2_core.train.beginning import rate_jump, started
from simo2_core.train.preparation import prepare
from tests.tiny import DIGITS

BASE = Config().replace({"steps": 400, "schedule": "cosine", "learning_rate": 0.004})


def test_a_finished_schedule_that_begins_again_is_said_with_its_rate() -> None:
    (warning,) = rate_jump(BASE, BASE.replace({"steps": 800}), 400)
    assert warning.code == "rate-jump"
    assert "at step 400 to 0.002: --steps 800, which was 400" in warning.message
    rate = float(warning.cure.split("--learning-rate ")[1].rstrip("."))
    assert 0 < rate < 1e-6, "that of the last step taken"
    on = BASE.replace({"steps": 800, "schedule": "constant", "learning_rate": rate})
    assert list(rate_jump(BASE, on, 400)) == [], "who follows the advice is told nothing"


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"steps": 400}, 200),
        ({"steps": 800}, 0),
        ({"steps": 401}, 400),
        ({"steps": 800, "learning_rate": 0.001}, 400),
    ],
)
def test_what_is_meant_or_hardly_felt_is_not_said(changes: dict[str, float], taken: int) -> None:
    assert list(rate_jump(BASE, BASE.replace(changes), taken)) == []


@pytest.mark.parametrize("schedule", ["linear", "polynomial", "exponential", "step", "warmup_cosine"])
def test_every_schedule_that_goes_by_the_length_of_the_run_is_watched(schedule: str) -> None:
    before = BASE.replace({"schedule": schedule})
    assert len(list(rate_jump(before, before.replace({"steps": 1600}), 399))) == 1


def test_a_constant_rate_never_jumps() -> None:
    before = BASE.replace({"schedule": "constant"})
    assert list(rate_jump(before, before.replace({"steps": 1600}), 400)) == []


@pytest.mark.parametrize("sampling", ["balanced", "proportional"])
def test_the_first_event_says_whether_images_are_drawn_one_by_one(sampling: str) -> None:
    ready = prepare(DIGITS.replace({"objective": "cross_entropy", "sampling": sampling}))
    training = SimpleNamespace(
        ready=ready, config=ready.config, taken=0, run=RunDirectory(Path("r")), state=SimpleNamespace(params={})
    )
    event = started(training, 0.5)  # type: ignore[arg-type]
    assert event.one_by_one == (sampling == "proportional")
    assert event.classes_per_batch * event.samples_per_class == ready.batch_size
