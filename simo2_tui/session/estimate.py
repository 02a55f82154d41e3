"""How long a run would take, from what earlier runs under the same directory measured; no number is made up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from simo2_core.config import Config
from simo2_core.errors import Simo2Error
from simo2_core.events import Compiled, Evaluated, StepsLogged
from simo2_core.presets import PRESETS, Preset
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import read_ends
from simo2_core.run.time_left import work_between

LOOKED_AT = 40
"""Newest runs whose speed is read."""

TAIL = 1 << 18
"""Bytes at the end of a log that are read: the newest calls, without decoding the log of a long run."""


@dataclass(frozen=True)
class Pace:
    """How fast one run went, as its log says."""

    name: str
    config: Config
    device: str
    """`cpu …`, `gpu …`, as in the run's `config.json`."""
    step_seconds: float
    """Median over the newest calls, of those with images of full size."""
    evaluation_seconds: float
    """Median of the newest looks at validation; 0 where there was none."""
    compile_seconds: float
    """Of the newest start; 0 where the log does not say it near its ends."""


@dataclass(frozen=True)
class RunTime:
    """Seconds that a run would take, after compiling, and what that is taken from."""

    seconds: float
    pace: Pace
    scaled_from: int | None
    """The batch size of the run that was measured, where it is another: the time is scaled in proportion."""


def preset_of(config: Config) -> Preset | None:
    """The preset that knows the shape of the images, or None where only the data themselves do."""
    return next((p for p in PRESETS.values() if p.config.data.dataset == config.data.dataset), None)


def read_pace(run: RunDirectory) -> Pace | None:
    """The pace of a run, running, interrupted or complete; None where it took no step or cannot be read."""
    try:
        config, device = run.config, str(run.facts.get("device", ""))
        events = read_ends(run.events_path, TAIL)
    except (Simo2Error, OSError):
        return None
    # The first call of a start holds one step, and what is slow only once.
    calls = (event for event in events if isinstance(event, StepsLogged) and len(event.total) > 1)
    small = 2 / 3 * config.steps if config.grow_from else 0.0  # images are smaller before: see `Config.sides`
    rates = [event.steps_per_second for event in calls if event.step > small]
    if not rates:
        return None
    looks = [event.seconds for event in events if isinstance(event, Evaluated) and event.split == "validation"]
    compiled = [event.seconds for event in events if isinstance(event, Compiled)]
    return Pace(
        name=run.name,
        config=config,
        device=device,
        step_seconds=1 / median(rates),
        evaluation_seconds=median(looks) if looks else 0.0,
        compile_seconds=compiled[-1] if compiled else 0.0,
    )


def read_paces(runs: Iterable[RunDirectory]) -> list[Pace]:
    """The paces of the newest runs, the newest first, as `runs` gives them."""
    paces = (read_pace(run) for _, run in zip(range(LOOKED_AT), runs, strict=False))
    return [pace for pace in paces if pace is not None]


def estimate(config: Config, paces: Iterable[Pace], *, gpu: bool) -> RunTime | None:
    """What `config` would take on this machine, or None where no run is like it.

    A run is like it when images, encoder, objective and kind of device are the same; of those the one with the nearest
    batch counts, the newest first. Augmentation and optimiser are a small part of a step and may differ.
    """
    alike = [pace for pace in paces if _work(pace.config) == _work(config) and _on_gpu(pace) == gpu]
    if not alike:
        return None
    work = _full_steps(config)
    if work is None:
        return None
    pace = min(alike, key=lambda one: abs(one.config.batch_size - config.batch_size))
    ratio = config.batch_size / pace.config.batch_size
    seconds = work * pace.step_seconds * ratio
    every = config.eval_every
    looks = config.steps // every.steps if every.steps else seconds / every.seconds if every.seconds else 0.0
    seconds += looks * pace.evaluation_seconds
    return RunTime(seconds, pace, None if ratio == 1 else pace.config.batch_size)


def _full_steps(config: Config) -> float | None:
    """How many steps on images of full size would last as long; None where images grow to a size that nobody knows."""
    preset = preset_of(config)
    own = config.data.image_size or (min(preset.image_shape[:2]) if preset else 0)
    if config.grow_from and not own:
        return None
    return work_between(0, config.steps, config.steps, config.sides(own or 1))


def _work(config: Config) -> tuple[object, ...]:
    data, model = config.data, config.model
    images = (data.dataset, data.image_size, data.channels)
    return *images, model.encoder, config.objective.name


def _on_gpu(pace: Pace) -> bool:
    return bool(pace.device) and not pace.device.startswith("cpu")
