"""Where the images live while training: on the device, mapped from disk, or decoded as they are needed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """Free bytes where the cache of decoded images lives."""


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
            f"decode as needed: {what} do not fit on the cache disk ({human_bytes(machine.disk_free)} free).",
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
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    else:
        free = host_memory_free()
    return Machine(device=device.device_kind, device_free=int(free), disk_free=disk_free(cache))


def disk_free(path: Path) -> int:
    """Free bytes on the disk that holds `path`, or would."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def host_memory_free() -> int:
    """Bytes of main memory that a new process may take, the limit of a container or batch job included."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass  # not Linux: what is installed has to do
    try:
        group = Path("/sys/fs/cgroup")
        free = min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no limit ("max"), or no cgroups
    return max(free, 0)


def human_bytes(size: float) -> str:
    """`1.4 GB`: powers of ten, three digits at most."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 99.95 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
