"""Where the images live while training: on the device, mapped from disk, or decoded as they are needed."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simo2_core.paths import exists

Where = Literal["device", "host", "stream"]

DEVICE_SHARE = 0.5
"""Share of the free device memory that images may take: weights, activations and the optimiser need the rest."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What there is room for, in bytes, when a run is about to start."""

    device: str
    """For people: `cpu`, `NVIDIA H100`."""
    device_free: int
    disk_free: int
    """Bytes that the cache of decoded images may still take."""
    devices: int = 1
    """How many memories like that of the device share a batch."""
    addresses_free: int | None = None
    """Bytes of addresses that are left under `ulimit -v`; None without such a limit."""


@dataclass(frozen=True)
class Placement:
    """Where the images go, and why, in words for the user."""

    where: Where
    why: str


def choose_placement(size: int, to_write: int, machine: Machine) -> Placement:
    """Picks the fastest place that holds the images.

    Args:
        size: bytes of all decoded images, uint8.
        to_write: bytes of them that the cache on disk does not hold yet.
    """
    what = f"{human_bytes(size)} of decoded images"
    if to_write > machine.disk_free:
        return Placement(
            "stream",
            f"decode as needed: {what} do not fit into the cache (room for {human_bytes(machine.disk_free)}).",
        )
    room = int(machine.device_free * DEVICE_SHARE)
    if size <= room:
        return Placement("device", f"on the device: {what} fit in half of its free memory ({human_bytes(room)}).")
    return Placement(
        "host",
        f"mapped from disk: {what} exceed half of the free device memory ({human_bytes(room)}); "
        "the next batch is fetched while this one trains.",
    )


def look_at_machine(cache: Path) -> Machine:
    """The default device of jax and the disk of `cache` (which need not exist yet)."""
    import jax

    device = jax.local_devices()[0]
    on_host = device.platform == "cpu"
    stats = None if on_host else device.memory_stats()
    if stats and "bytes_limit" in stats:
        free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    else:
        free = host_memory_free()
    return Machine(
        device="this machine" if on_host else device.device_kind,
        device_free=int(free),
        disk_free=disk_free(cache),
        devices=jax.process_count() if on_host else jax.device_count(),
        addresses_free=min(_left_of_addresses(), default=None),
    )


def disk_free(path: Path) -> int:
    """Free bytes on the disk that holds `path`, or would."""
    while not exists(path):
        path = path.parent
    return shutil.disk_usage(path).free


def host_memory_free() -> int:
    """Bytes of main memory that this process may take, the limits of a container, a job or a shell included."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, StopIteration):  # not Linux: what is installed has to do
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return max(0, min([free, *_left_in_groups(Path("/sys/fs/cgroup")), *_left_of_addresses()]))


def _left_in_groups(root: Path, own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Bytes that are left in each control group that this process is in and that has a limit."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return []
    newer = [root / path.strip("/") for _, kinds, path in lines if not kinds]
    older = [root / "memory" / path.strip("/") for _, kinds, path in lines if "memory" in kinds.split(",")]
    return [
        *_left_in(root, newer, "memory.max", "memory.current", "inactive_file "),
        *_left_in(root / "memory", older, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
    ]


def _left_in(root: Path, groups: list[Path], limit: str, taken: str, reclaimable: str) -> list[int]:
    left = []
    above = [folder for group in groups for folder in group.parents if folder.is_relative_to(root)]
    for group in dict.fromkeys([*groups, *above, root]):
        with contextlib.suppress(OSError, ValueError):  # no limit ("max"), or no such group
            spare = int((group / limit).read_text()) - int((group / taken).read_text())
            left.append(spare + _number(group / "memory.stat", reclaimable))
    return left


def _number(path: Path, name: str) -> int:
    """What a line of `path` says behind `name`: bytes of files that were read, say, and may be forgotten."""
    try:
        return next(int(line.removeprefix(name)) for line in path.read_text().splitlines() if line.startswith(name))
    except (OSError, ValueError, StopIteration):
        return 0


def _left_of_addresses() -> list[int]:
    """Bytes of addresses that are left under `ulimit -v`, where there is such a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return []
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        taken = 0
    return [limit - taken]


def human_bytes(size: float) -> str:
    """`1.4 GB`: powers of ten, three digits at most."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 99.95 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
