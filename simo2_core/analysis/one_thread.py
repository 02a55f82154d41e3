"""Linear algebra on the thread that asks for it, where a step or a screen would wait for the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy.linalg  # noqa: F401  # its library has to be there to be found
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, numpy's linear algebra uses no threads of its own.

    They gain milliseconds on an idle machine. On one that trains they wait for each other: the axes of 2,000 × 128 took
    376 ms instead of 9 at worst, on two cores.
    """
    with _controller().limit(limits=1):
        yield


@cache
def _controller() -> ThreadpoolController:
    """Finds the libraries once: that takes 2 ms."""
    return ThreadpoolController()
