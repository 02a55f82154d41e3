"""Settings that every test runs under; child processes inherit them."""

import faulthandler
import os
import signal
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# An accidental broadcast of (N,) against (N, M) is a bug that still gives numbers: refuse it everywhere.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.pop("SIMO2_DEBUG", None)

# Whoever started the suite in the background, or with nohup, has these ignored, and so would every child have.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One cache for the whole suite, apart from the user's: what one test compiles, the next one finds. The workers of
# pytest-xdist inherit that of the process which started them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _CACHE = tempfile.TemporaryDirectory(prefix="simo2-tests-")
    os.environ["SIMO2_CACHE"] = _CACHE.name
    os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{_CACHE.name}/compiled"
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

# A shared machine can be slow at any moment, which is no fault of the code under test.
settings.register_profile("simo2", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("simo2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: what comes last is then short, and no worker waits for another's long file.

    Those with `optimised` tests are in the middle, the last of the slow and the first of the others: each change of how
    programs are compiled forgets all that there are.
    """
    slow, optimised = ({item.path for item in items if item.get_closest_marker(name)} for name in ("slow", "optimised"))
    items.sort(key=lambda item: (item.path not in slow, (item.path in optimised) == (item.path in slow)))


def _compile_lightly(test: pytest.Item) -> None:
    """Most of the suite's time goes into compiling programs that run once: they are hardly optimised, which takes a
    third less. Those of a child process, which are what a user runs, are; and those of a test marked `optimised`.
    """
    import jax

    lightly, name = test.get_closest_marker("optimised") is None, "jax_disable_most_optimizations"
    if jax.config.values[name] != lightly:
        jax.clear_caches()  # jax finds a program by its function and shapes, however it was compiled
        jax.config.update(name, lightly)  # type: ignore[no-untyped-call]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that hangs ends its worker, which pytest-xdist tells with the name of the test, and goes on."""
    _compile_lightly(item)
    faulthandler.dump_traceback_later(400, exit=True, file=2)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
