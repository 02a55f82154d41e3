from pathlib import Path
from typing import Any

import pytest

from simo2_core.errors import DivergedError
from simo2_core.evaluation.evaluate import Evaluation, evaluate
from simo2_core.events import Event, Planned, RolledBack, RunFinished, StepsLogged
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.divergence import EMBEDDING, LOSS, why_diverged
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

WILD = DIGITS.replace(
    QUIET | {"steps": 12, "gradient_clip": 0, "optimizer": "sgd", "learning_rate": 1e5, "on_nan": "rollback",
             "rollbacks": 6, "published": True}
)  # fmt: skip


@pytest.mark.slow
def test_a_run_goes_back_with_a_lower_learning_rate_and_says_so(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "wild", WILD)
    events = list(record(train(WILD, run, Control(), pictures=False), run))
    back = [event for event in events if isinstance(event, RolledBack)]
    assert 1 <= len(back) < 6
    assert [event.left for event in back] == [5 - i for i in range(len(back))]
    assert back[0].step == 0
    assert back[-1].learning_rate == pytest.approx(1e5 / 3 ** len(back))
    assert run.config.optim.learning_rate == back[-1].learning_rate, "a resumed run keeps the lower one"
    told = [event for event in run.events() if isinstance(event, StepsLogged)]
    assert [event.step + i for event in told for i in range(len(event.total))] == list(range(1, 13))
    assert told[0].learning_rate[0] == pytest.approx(back[-1].learning_rate)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason == "completed"


@pytest.mark.slow
def test_it_goes_back_no_more_often_than_it_may(tmp_path: Path) -> None:
    config = WILD.replace({"learning_rate": 1e30, "rollbacks": 2, "eval_every": "1"})
    run = RunDirectory.create(tmp_path, "hopeless", config)
    with pytest.raises(DivergedError, match="the embedding was not finite after step 1, after 2 rollbacks"):
        list(record(train(config, run, Control(), pictures=False), run))
    told = list(run.events())
    assert [event.left for event in told if isinstance(event, RolledBack)] == [1, 0]
    assert isinstance(told[-1], RunFinished)
    assert told[-1].reason == "diverged"


def test_a_run_for_a_time_that_went_back_says_its_plan_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = DIGITS.replace(QUIET | {"minutes": 0.05, "on_nan": "rollback", "eval_every": "3"})
    run, real = RunDirectory.create(tmp_path, "timed", config), evaluate
    seen: list[Event] = []

    def once(*args: Any, **options: Any) -> Evaluation:
        if any(isinstance(event, Planned) for event in seen) and not any(
            isinstance(event, RolledBack) for event in seen
        ):
            raise DivergedError("not finite")
        return real(*args, **options)

    monkeypatch.setattr("simo2_core.train.training.evaluate", once)
    for event in record(train(config, run, Control(), pictures=False), run):
        if isinstance(event, RolledBack):
            before = [one.steps for one in seen if isinstance(one, Planned)][-1]
        seen.append(event)
    [back] = [i for i, event in enumerate(seen) if isinstance(event, RolledBack)]
    again = seen[back + 1]
    assert isinstance(again, Planned)
    assert (again.step, again.steps) == (0, before), "the log has dropped what it knew of later steps"
    assert 0 < again.seconds_left <= 3
    assert isinstance(seen[-1], RunFinished)
    assert seen[-1].reason == "completed"


def test_the_cures_of_divergence_come_in_order_and_fit() -> None:
    message, cure = why_diverged(LOSS, PRESETS["digits"].config.replace({"precision": "bfloat16"}), 12, 0)
    assert message == "the loss or its gradient was not finite at step 13; the state of step 12 is kept."
    assert cure == (
        "Lower --learning-rate (or use --on-nan rollback); then raise --epsilon; then use --precision float32; then "
        "look at the data."
    )
    message, cure = why_diverged(
        EMBEDDING, PRESETS["digits"].config.replace({"objective": "supcon", "on_nan": "rollback"}), 5, 2
    )
    assert message == "the embedding was not finite after step 5, after 2 rollbacks; the state of step 5 is kept."
    assert cure == "Lower --learning-rate; then raise --temperature; then look at the data."
    message, cure = why_diverged(LOSS, PRESETS["digits"].config.replace({"objective": "cross_entropy"}), 0, 0)
    assert (message, cure) == ("the loss or its gradient was not finite at step 1.", "Look at the data.")
