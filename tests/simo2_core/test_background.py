import threading

import pytest

from simo2_core.background import left_behind, wait_or_leave


def test_work_gives_what_it_returns_or_raises() -> None:
    assert wait_or_leave(lambda: 7, lambda: False) == 7

    def fail() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        wait_or_leave(fail, lambda: False)


def test_whoever_waits_can_leave_and_the_work_is_known_to_go_on() -> None:
    go_on = threading.Event()
    asked = iter([False, True])
    assert wait_or_leave(lambda: go_on.wait(30), lambda: next(asked)) is None
    assert left_behind()
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("simo2-background"):
            thread.join(30)
    assert not left_behind()
