import pytest

from simo2_tui.refresh import FASTEST, SLOWEST, Refresh


class Machine:
    """A terminal and a processor whose figures a test sets."""

    def __init__(self) -> None:
        self.seconds = self.work = 0.0
        self.bytes = 0

    def refresh(self) -> Refresh:
        return Refresh(8_000, lambda: self.bytes, clock=lambda: self.seconds, worked=lambda: self.work)


@pytest.mark.parametrize(
    ("bytes", "work", "wait"),
    [(0, 0.0, FASTEST), (16_000, 0.0, 2.0), (0, 0.03, 1.0), (10**6, 0.0, SLOWEST), (0, 10.0, SLOWEST)],
)
def test_the_screen_waits_for_the_link_and_the_processor_and_no_longer_than_it_may(bytes, work, wait):
    machine = Machine()
    refresh = machine.refresh()
    machine.bytes, machine.work, machine.seconds = bytes, work, 1.0
    assert refresh.wait(tell=True) == pytest.approx(wait)
    assert refresh.wait(tell=True) == FASTEST, "what was paid for is not paid for again"


def test_what_it_costs_is_a_mean_of_some_seconds_said_now_and_then():
    machine = Machine()
    refresh = machine.refresh()
    for second in range(1, 31):
        machine.seconds, machine.bytes = float(second), machine.bytes + 1000
        refresh.wait(tell=second > 5)
        assert (refresh.words != ("", "")) == (second > 5), "said when somebody reads it"
    assert refresh.words[0] == "1.0 kB/s"


def test_the_work_of_a_usual_refresh_is_told_and_not_that_of_a_screen_that_was_opened():
    machine = Machine()
    refresh = machine.refresh()
    for second in range(1, 31):
        machine.seconds, machine.bytes = float(second), machine.bytes + 1000
        machine.work += 0.4 if second == 30 else 0.006
        refresh.wait(tell=True)
    assert refresh.words[1] == "6 ms"
