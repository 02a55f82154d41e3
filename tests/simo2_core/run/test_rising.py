from dataclasses import replace

import pytest

from simo2_core.config import TRAINING_LOSS
from simo2_core.run.rising import Followed, MeanLoss, Rising
from tests.simo2_tui.recorded import evaluated


def after(*scores: float) -> Rising:
    """Evaluations every ten steps."""
    found = Rising()
    for index, score in enumerate(scores):
        found = found.after(10 * (index + 1), score)
    return found


def test_the_course_is_told_in_words() -> None:
    assert Rising().told == after(0.5).told == ""
    assert after(0.5, 0.6, 0.7).told == "kNN rises: the best of 3 evaluations"
    assert after(0.5, 0.6, 0.6).told == "kNN has not risen for 1 evaluation: the best was 60.00% at step 20"
    assert after(0.9, *[0.8] * 12).told == "kNN has not risen for 12 evaluations: the best was 90.00% at step 10"
    assert after(0.9, 0.8, 0.91).since == 0


def test_an_evaluation_for_a_plot_may_be_the_best_and_is_not_waited_for() -> None:
    seen = after(0.5, 0.6).after(30, 0.55, counts=False)
    assert (seen.since, seen.looks, seen.is_best) == (0, 3, False)
    assert seen.told == "kNN has not risen: the best was 60.00% at step 20"
    assert seen.after(40, 0.5).told == "kNN has not risen for 1 evaluation: the best was 60.00% at step 20"
    assert seen.after(40, 0.7, counts=False).told == "kNN rises: the best of 4 evaluations"
    events = [replace(evaluated(10 * (i + 1), 1.0), loss=loss, counts=i != 1) for i, loss in enumerate((3, 1, 2))]
    assert Followed.through(events).loss.told == "training loss falls: the lowest of 2 evaluations"


def test_the_same_state_counts_once() -> None:
    seen = after(0.9, 0.8)
    assert seen.after(20, 0.8) is seen
    assert seen.after(30, 0.8).since == 2


def test_it_goes_through_a_checkpoint_and_comes_from_events() -> None:
    seen = after(0.9, 0.8)
    assert Rising.from_json(seen.to_json()) == seen
    assert Rising.from_json(None) == Rising.from_json(Rising().to_json()) == Rising()
    events = [replace(evaluated(10 * (i + 1), 1.0), knn_representation=score) for i, score in enumerate((0.9, 0.8))]
    told = Followed.through([*events, replace(evaluated(20, 1.0, "test"), knn_representation=1.0)])
    assert told.knn == seen
    assert told.loss == Rising(of=TRAINING_LOSS)
    assert Followed.from_json(told.to_json()) == told
    assert Followed.from_json({"rising": seen.to_json()}) == told, "a checkpoint of before a loss was followed"


def test_a_loss_that_is_followed_is_told_beside_knn() -> None:
    def at(*losses: float | None) -> Followed:
        events = [replace(evaluated(10 * (i + 1), 0.1 * i), loss=loss) for i, loss in enumerate(losses)]
        return Followed.through(events)

    assert at(2.0, 1.5).told == "kNN rises: the best of 2 evaluations; training loss falls: the lowest of 2 evaluations"
    stuck = at(2.0, 1.2345, *[1.3] * 12)
    assert stuck.stalled == "training loss has not fallen for 12 evaluations: the lowest was 1.234 at step 20"
    assert stuck.awaited("loss").since == 12
    assert stuck.awaited("knn").since == 0
    assert Followed.from_json(stuck.to_json()) == stuck
    assert at(2.0, None, 2.5).loss.looks == 2, "nothing was trained in between"
    assert "loss" not in at(None, None).told, "a run that does not follow it"


def test_the_loss_between_two_evaluations_is_the_mean_of_its_steps() -> None:
    losses = MeanLoss()
    assert losses.take() is None
    losses.add((1.0, 2.0))
    losses.add((6.0,))
    assert losses.take() == pytest.approx(3)
    assert losses == MeanLoss()
