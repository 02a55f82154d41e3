from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simo2_core.commands import Reason
from simo2_core.config import Config
from simo2_core.run.control import Control
from simo2_core.train import follower, processes
from simo2_core.train.budget import FIRST_STEPS
from simo2_core.train.devices import put_whole
from simo2_core.train.processes import REASONS, Word
from simo2_core.train.step import Call, Step, make_training
from simo2_core.train.training import Training
from tests.tiny import DIGITS


def test_images_are_drawn_with_the_key_that_the_first_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    # a run that is resumed with another --seed keeps the key of its checkpoint, in the first process and here
    fed: list[str] = []
    rates: list[float] = []
    words = iter([(Word.GO_BACK, 0, Config()), (Word.END, REASONS.index(Reason.INTERRUPTED), Config())])

    def begin(config: Config) -> tuple[SimpleNamespace, str]:
        rates.append(config.optim.learning_rate)
        return SimpleNamespace(mesh=None), "drawn by the settings"

    def feed(state: str) -> SimpleNamespace:
        fed.append(state)
        return SimpleNamespace(close=lambda: None)

    ready = SimpleNamespace(config=Config(), begin=begin, feed=feed)
    monkeypatch.setattr(follower, "prepare_with_leader", lambda: ready)
    monkeypatch.setattr(follower, "share", lambda state, mesh: "of the first process")
    monkeypatch.setattr(follower, "_take_part", lambda *_: next(words))
    assert follower.follow(Control()) == Reason.INTERRUPTED
    assert fed == ["of the first process"]
    assert rates == pytest.approx([3e-4, 1e-4]), "after going back, at a third"


TIMED = DIGITS.replace({"widths": "4", "stem_width": 2, "minutes": 1.0, "steps": FIRST_STEPS, "schedule": "linear"})


class Courses:
    """Stands in for the compiled call: keeps what it is given of the run as a whole."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        """Steps of the run, and the learning rate in the middle of it."""

    def __call__(self, state: Any, data: Any, course: Any, n: Any) -> tuple[Any, None, Any]:
        steps = int(course.steps)
        self.seen.append((steps, float(np.asarray(course.rates)[steps // 2])))
        return state, None, n


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Word, int]]:
    """What the first process says; the others hear it in the same process here."""
    said: list[tuple[Word, int]] = []
    heard: Iterator[int] = iter(range(99))
    monkeypatch.setattr(processes, "lead", lambda word, value=0: said.append((word, value)))
    monkeypatch.setattr(follower, "hear", lambda *, stop: said[next(heard)])
    return said


def _leader(step: Step, state: Any, courses: Courses, plans: Iterator[int]) -> Any:
    """A `Training` with all that planning needs."""
    return SimpleNamespace(
        budget=SimpleNamespace(due=lambda *_: True, plan=lambda *_: next(plans), misled=False, tell=lambda: 30.0),
        feed=SimpleNamespace(data=lambda _: None, chunk=None),
        data=SimpleNamespace(image_shape=(8, 8, 1)), taken=3, state=state, config=step.config,
        _step=step, _call=Call(courses, put_whole(step.course, step.mesh)),
    )  # fmt: skip


def test_the_others_take_the_plans_of_a_run_for_a_time(
    words: list[tuple[Word, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Courses(), Courses()
    step, state = make_training(TIMED, 10, (8, 8, 1))
    leader = _leader(step, state, ours, iter([500, 700, 700]))
    for _ in range(3):
        processes.lead(Word.TRAIN, 2)
        leader._call(state, None, 2)
        list(Training.plan(leader, lambda *_: 0))
    processes.lead(Word.TRAIN, 1)
    leader._call(state, None, 1)
    processes.lead(Word.GO_BACK)
    assert [value for word, value in words if word == Word.PLAN] == [500, 700], "the same again is not said"

    monkeypatch.setattr(follower, "compile_call", lambda step, *_: Call(theirs, put_whole(step.course, step.mesh)))
    feed: Any = SimpleNamespace(data=lambda _: None, chunk=None)
    word, _, config = follower._take_part(step, state, feed, Control())
    assert [steps for steps, _ in ours.seen] == [FIRST_STEPS, 500, 700, 700]
    assert theirs.seen == ours.seen, "each call with the course that the first process gives it"
    assert (word, config.steps) == (Word.GO_BACK, 700), "it goes back with the newest plan, as the first process does"
