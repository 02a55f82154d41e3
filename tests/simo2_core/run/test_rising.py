from dataclasses import replace

from simo2_core.run.rising import Rising
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


def test_the_same_state_counts_once() -> None:
    seen = after(0.9, 0.8)
    assert seen.after(20, 0.8) is seen
    assert seen.after(30, 0.8).since == 2


def test_it_goes_through_a_checkpoint_and_comes_from_events() -> None:
    seen = after(0.9, 0.8)
    assert Rising.from_json(seen.to_json()) == seen
    assert Rising.from_json(None) == Rising.from_json(Rising().to_json()) == Rising()
    events = [replace(evaluated(10 * (i + 1), 1.0), knn_representation=score) for i, score in enumerate((0.9, 0.8))]
    assert Rising.of([*events, replace(evaluated(20, 1.0, "test"), knn_representation=1.0)]) == seen
