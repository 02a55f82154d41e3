"""How what is traced now is to be written: in the forms that a CPU is fast at, or as plain operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax

from simo2_core.processor import has_one_cpu

_AS_WRITTEN: ContextVar[bool] = ContextVar("as_written", default=False)


@contextmanager
def as_written() -> Iterator[None]:
    """Inside, what is traced has each convolution and each sum as one operation, for who writes the graph down."""
    token = _AS_WRITTEN.set(True)
    try:
        yield
    finally:
        _AS_WRITTEN.reset(token)


def is_as_written() -> bool:
    """Whether this is inside `as_written`."""
    return _AS_WRITTEN.get()


def suits_cpu() -> bool:
    """Whether what is traced now is to take the forms that a CPU is fast at."""
    return jax.default_backend() == "cpu" and not is_as_written()


def suits_one_cpu() -> bool:
    """The same of forms that would gather what several devices share."""
    return has_one_cpu() and not is_as_written()
