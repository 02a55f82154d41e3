from simo2_core.config import Config
from simo2_core.train.timetable import EVALUATING_SHARE, Timetable


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run_for(seconds: float, *, step: float, cost: float, **cadences: str) -> tuple[float, int, float]:
    """A run whose steps take `step` seconds and whose evaluations `cost`: how long it trained, how often it evaluated,
    and the shortest time between two evaluations."""
    clock = Clock()
    table = Timetable(Config().replace({"steps": 10**9, **cadences}), 0, -1, clock)
    end, taken, trained, ends, gaps = clock.now + seconds, 0, 0.0, [clock.now], []
    while clock.now < end:
        due = table.due(taken)
        if due:
            gaps.append(clock.now - ends[-1])
            clock.now += cost
            ends.append(clock.now)
            table.did(due, taken, cost)
        clock.now += step
        trained += step
        taken += 1
    return trained, len(gaps), min(gaps, default=0.0)


def test_a_time_counts_from_the_end_of_what_was_done_last() -> None:
    _, times, gap = run_for(1000, step=0.5, cost=2, eval_every="10s", plot_every="never", checkpoint_every="never")
    assert times == 83
    assert gap >= 10


def test_evaluation_takes_at_most_a_fifth_of_the_time_on_a_slow_machine() -> None:
    # 9 s a step and 60 s an evaluation: with --eval-every 10s it was evaluated after nearly every step
    trained, times, _ = run_for(6000, step=9, cost=60, eval_every="10s", plot_every="60s", checkpoint_every="300s")
    assert trained / 6000 > 1 - EVALUATING_SHARE - 0.02
    assert times >= 18


def test_what_is_asked_for_by_steps_is_done_whatever_it_takes() -> None:
    _, times, _ = run_for(6000, step=9, cost=60, eval_every="1", plot_every="never", checkpoint_every="never")
    assert times >= 85


def test_what_is_due_together_is_done_together() -> None:
    clock = Clock()
    cadences = {"eval_every": "10s", "plot_every": "60s", "checkpoint_every": "300s"}
    table = Timetable(Config().replace(cadences), 0, -1, clock)
    clock.now += 400
    assert table.due(0) == set(), "nothing has been done"
    assert table.due(7) == {"evaluate", "plot", "checkpoint"}
    table.did({"evaluate", "plot", "checkpoint"}, 7, 100.0)
    clock.now += 50
    assert table.due(8) == set(), "a fifth of the time is spent"


def test_a_checkpoint_without_a_score_is_looked_at_again() -> None:
    clock = Clock()
    config = Config().replace({"eval_every": "5", "plot_every": "never", "checkpoint_every": "never"})
    assert Timetable(config, 5, 5, clock).due(5) == {"evaluate"}
    assert Timetable(config, 5, -1, clock).due(5) == set()
