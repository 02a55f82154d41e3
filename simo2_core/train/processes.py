"""Several processes that train one run: the first leads it and writes, the others lend it their devices.

Each process runs the same compiled call on its share of the batch, so all must begin the same call at the same time.
Before every call the first process says how many steps it has, or what else comes; clocks, commands and the disk are
its alone. A process without others leads nobody, and nothing of this costs anything.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from simo2_core.commands import Reason
from simo2_core.errors import ConfigError, ProcessLostError
from simo2_core.train.devices import put_whole

HEARTBEAT_SECONDS = 60
"""How long a machine may be silent, its cable out, before the others end. A process that dies is noticed at once."""

HOLD_SECONDS = 2.0
"""How often a paused leader says so (on a CPU, waiting for it gives up in time), and tells what was done behind it."""

LOST = "another process of this run has ended or cannot be reached; its own message says why."

_BROKEN = ("gloo", "nccl", "unavailable", "connection", "coordination", "heartbeat", "deadline_exceeded")
"""Words of which one is in each error that jax raises for a connection that broke."""


class Word(enum.IntEnum):
    """What the leader says."""

    TRAIN = 1
    """Begin a call of so many steps."""
    GO_BACK = 2
    """Divide the learning rate, and take the state that comes."""
    HOLD = 3
    """Wait for the next word."""
    PLAN = 5
    """The run has so many steps from now on."""
    END = 4
    """The run is over; with the place of the reason in `REASONS`."""


REASONS = tuple(Reason)


def join(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    """Meets the other processes; call it before anything that uses jax's devices.

    Args:
        coordinator: HOST:PORT at which the first process listens. Under SLURM, Open MPI and Kubernetes jax finds this
            and the rest by itself.
        processes: how many there are.
        process_id: the number of this one, from 0.

    Raises:
        ConfigError: the others cannot be found.
        ProcessLostError: they did not come.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    try:
        jax.distributed.initialize(coordinator, processes, process_id, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except jax.errors.JaxRuntimeError as error:
        raise ProcessLostError(f"the other processes did not come: {str(error).splitlines()[0][:200]}") from error
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"the other processes cannot be found ({error}). Start it under SLURM, Open MPI or Kubernetes, or give "
            "--coordinator HOST:PORT, --processes N and --process-id I to each process."
        ) from error


def leave() -> None:
    """Parts from the others, all at once: for the end that the leader has announced."""
    jax.distributed.shutdown()  # type: ignore[no-untyped-call]


def alone() -> bool:
    """Whether this process is the only one."""
    return bool(jax.process_count() == 1)


def leads() -> bool:
    """Whether this process is the first."""
    return bool(jax.process_index() == 0)


def lead(word: Word, value: int = 0) -> bool:
    """Tells the others what comes; returns whether one of them has been asked to stop. For the first process."""
    if alone():
        return False
    rows: list[list[int]] = _exchange(word, value).tolist()
    return any(stop != 0 for _, stop in rows[1:])


def hear(*, stop: bool) -> tuple[Word, int]:
    """Waits for the leader's next word and its value, and tells it whether this process has been asked to stop."""
    word, value = _exchange(0, int(stop))[0].tolist()
    return Word(word), value


def _exchange(word: int, value: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.asarray(multihost_utils.process_allgather(np.array([word, value], np.int32)))


def share_bytes(data: bytes) -> bytes:
    """What the first process has; the others' own is not looked at."""
    if alone():
        return data
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(data))))
    own = np.frombuffer(data, np.uint8) if leads() else np.zeros(size, np.uint8)
    return bytes(np.asarray(multihost_utils.broadcast_one_to_all(own)))


def share(tree: Any, mesh: Mesh) -> Any:
    """Arrays that are whole on every device, with the bits that the first process has."""
    if alone():
        return tree
    leaves, structure = jax.tree.flatten(jax.device_get(tree))
    data = memoryview(share_bytes(b"".join(np.ascontiguousarray(leaf).tobytes() for leaf in leaves)))
    found, start = [], 0
    for leaf in leaves:
        found.append(np.frombuffer(data[start : start + leaf.nbytes], leaf.dtype).reshape(leaf.shape))
        start += leaf.nbytes
    return put_whole(jax.tree.unflatten(structure, found), mesh)


@contextlib.contextmanager
def notice_loss(cure: str) -> Iterator[None]:
    """Turns a broken connection to another process inside the block into one line that ends with `cure`.

    Raises:
        ProcessLostError: instead of what jax raises.
    """
    try:
        yield
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        if alone() or not any(word in str(error).lower() for word in _BROKEN):
            raise
        raise ProcessLostError(f"{LOST} {cure}") from error
