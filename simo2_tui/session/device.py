"""What the training process takes of the machine: processor, memory, and the GPU where one answers.

Read from `/proc`, from jax's own counters (only where this process trains), and from NVML (only where the module
`pynvml` of the package nvidia-ml-py is installed and a driver answers). What cannot be known is None, not 0.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simo2_core.data.placement import host_memory_free
from simo2_core.run.owner import Presence
from simo2_tui.session.base import Session

SECONDS = 2.0
"""Time between two samples."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look. Shares are in [0, 1], memory in bytes."""

    cpu: float | None = None
    """Processors that the process keeps busy: 1.5 is one and a half."""
    cpus: int = 1
    """Processors that it may use."""
    resident: int | None = None
    """Main memory of the process."""
    host_free: int = 0
    """Main memory that is still to be had."""
    disk_free: int | None = None
    """Of the disk that the run is written to."""
    disk_size: int = 0
    device_used: int | None = None
    device_limit: int | None = None
    """Memory of the device: of this process as jax counts it, or of all processes as NVML does."""
    gpu: float | None = None
    """Share of the time in which the GPU worked."""
    watts: float | None = None


class DeviceMeter:
    """Samples at most every `SECONDS`; the shares are those since the sample before."""

    def __init__(self) -> None:
        self._sampled = -SECONDS
        self._worked: tuple[int, float, float] | None = None
        self._sample: Sample | None = None
        self._gpu: Any = None
        self._nvml = _open_nvml()
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.NVMLError):
                self._gpu = self._nvml.nvmlDeviceGetHandleByIndex(_first_visible())

    def look(self, session: Session) -> Sample | None:
        """The newest sample of who trains the session's run; None where nobody does, or on another machine."""
        pid = _trainer(session)
        if pid is None:
            return None
        now = time.monotonic()
        if now - self._sampled >= SECONDS or self._sample is None:
            self._sampled = now
            self._sample = self._take(pid, now, session)
        return self._sample

    def _take(self, pid: int, now: float, session: Session) -> Sample:
        cpu, seconds = None, _cpu_seconds(pid)
        if seconds is not None:
            if self._worked is not None and self._worked[0] == pid and now > self._worked[1]:
                cpu = max(0.0, seconds - self._worked[2]) / (now - self._worked[1])
            self._worked = (pid, now, seconds)
        used, limit = _device_memory() if session.owned_here else (None, None)
        disk = None
        if session.run is not None:
            with contextlib.suppress(OSError):
                disk = shutil.disk_usage(session.run.path)
        gpu = watts = None
        if self._gpu is not None:
            with contextlib.suppress(self._nvml.NVMLError):
                gpu = self._nvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu / 100
                memory = self._nvml.nvmlDeviceGetMemoryInfo(self._gpu)
                if limit is None:
                    used, limit = int(memory.used), int(memory.total)
                watts = self._nvml.nvmlDeviceGetPowerUsage(self._gpu) / 1000
        return Sample(
            cpu=cpu,
            cpus=len(os.sched_getaffinity(0)),
            resident=_resident(pid),
            host_free=host_memory_free(),
            disk_free=disk.free if disk else None,
            disk_size=disk.total if disk else 0,
            device_used=used,
            device_limit=limit,
            gpu=gpu,
            watts=watts,
        )


def _trainer(session: Session) -> int | None:
    """The process that trains the run, where it is on this machine."""
    if not session.alive:
        return None
    if session.owned_here:
        return os.getpid()
    owner = session.run.owner() if session.run else None
    return owner.pid if owner is not None and owner.presence == Presence.HERE else None


def _cpu_seconds(pid: int) -> float | None:
    """Seconds of processor time that a process has had."""
    try:
        # The name of the program, in parentheses, may hold blanks: what counts follows the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def _resident(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


def _device_memory() -> tuple[int | None, int | None]:
    """Bytes in use and bytes that there are, as jax counts them; jax is asked only once training has loaded it."""
    jax = sys.modules.get("jax")
    bridge = sys.modules.get("jax._src.xla_bridge")
    # Asking jax for devices before training has would start it here, on the thread of the screen.
    if jax is None or bridge is None or not getattr(bridge, "_backends", None):
        return None, None
    try:
        stats = jax.devices()[0].memory_stats() or {}
    except RuntimeError:
        return None, None
    used, limit = stats.get("bytes_in_use"), stats.get("bytes_limit")
    return (None if used is None else int(used)), (None if limit is None else int(limit))


def _open_nvml() -> Any:
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def _first_visible() -> int:
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return int(first) if first.isdecimal() else 0
