"""Work that cannot be interrupted, such as compiling: done in a thread, so that whoever waits for it can leave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

_NAME = "simo2-background"
_LOOK_SECONDS = 0.1

_Result = TypeVar("_Result")


def wait_or_leave(work: Callable[[], _Result], leave: Callable[[], bool]) -> _Result | None:
    """What `work` returns or raises; None when `leave` says so before: the work then goes on in its thread.

    A signal reaches the main thread while it waits here, and would not while it compiles.
    """
    executor = ThreadPoolExecutor(1, _NAME)
    future = executor.submit(work)
    executor.shutdown(wait=False)
    while not wait([future], _LOOK_SECONDS).done:
        if leave():
            return None
    return future.result()


def left_behind() -> bool:
    """Whether some such work goes on that nobody waits for: Python would wait for it at its end."""
    return any(thread.name.startswith(_NAME) for thread in threading.enumerate())
