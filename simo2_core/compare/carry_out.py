"""Trains and measures the runs of a comparison: one after another, or one on each device."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from simo2_core.child import child_environment
from simo2_core.compare.outcome import FILE, GEOMETRY, Outcome
from simo2_core.compare.plan import Plan, PlannedRun
from simo2_core.config import Config
from simo2_core.errors import ConfigError, DivergedError, RunError, Simo2Error
from simo2_core.events import Evaluated, Event, Planned, RunFinished, RunStarted, StepsLogged
from simo2_core.run.contained import require_contained
from simo2_core.run.control import STOP_SIGNALS
from simo2_core.run.directory import RunDirectory, require_name
from simo2_core.run.files import disk_error, write_whole
from simo2_core.run.summary import summarise
from simo2_core.session import RunSession, with_init

FEATURES = ("representation", "projection")
"""What is measured of every run; of the first one also `raw_pixels`, which no arm changes."""

MOST_CLASSES = 150
"""Up to so many classes a heat map of them is kept."""

Tell = Callable[[PlannedRun, Event], None]

_DEVICE = {"gpu": "CUDA_VISIBLE_DEVICES", "cuda": "CUDA_VISIBLE_DEVICES", "rocm": "ROCR_VISIBLE_DEVICES"}


def open_comparison(run_dir: Path, name: str, plan: Plan) -> Path:
    """The folder of a comparison, new, or begun earlier with the same plan.

    Raises:
        ConfigError: the name is no folder name, or the folder belongs to another plan.
        RunError: the disk refuses.
    """
    folder = run_dir / require_name(name)
    path, body = folder / "comparison.json", json.dumps(plan.to_json(), indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_contained(folder, ("comparison.json", "results.json", "runs"), below=False)
        if not path.exists():
            if any(folder.iterdir()):
                raise ConfigError(f"{folder} holds something else than a comparison. Give another --name.")
            write_whole(path, body.encode())
        elif apart := plan.apart(_read(path)):
            raise ConfigError(
                f"{folder} is another comparison, with other settings: {'; '.join(apart)}. Give another --name, or the "
                "same settings to go on with it."
            )
    except OSError as error:
        raise disk_error("making", folder, error) from error
    return folder


@contextlib.contextmanager
def unless_begun(folder: Path) -> Iterator[None]:
    """Removes a comparison again that is ended inside, by whatever it is, before it has a run: the name is free."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if (folder / "runs").exists():
                (folder / "runs").rmdir()
            if {path.name for path in folder.iterdir()} == {"comparison.json"}:
                (folder / "comparison.json").unlink()
                folder.rmdir()
        raise


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


class Stop(Protocol):
    """Whether somebody has asked to stop: an Event of threading, or of multiprocessing."""

    def is_set(self) -> bool: ...


def carry_out(folder: Path, job: PlannedRun, tell: Tell, stop: Stop, *, pixels: bool = False) -> Outcome | None:
    """Trains and measures one run, or what of it is still to be done.

    Args:
        tell: gets every event of its training.
        stop: asked again and again; training then saves its state and ends.
        pixels: measure raw pixels as well.

    Returns: None when it was stopped, here or by `simo2 attach`; the next start goes on from there.

    Raises:
        Simo2Error: as training and measuring do, but for a run that diverges, which is an outcome.
    """
    path = folder / "runs" / job.name
    if (done := Outcome.read(path)) is not None:
        if (done.arm, done.seed) != (job.arm, job.config.seed):
            raise RunError(f"{path / FILE} is of another run, {done.arm} with seed {done.seed}. Delete it.")
        return done
    session = _session(folder, job)
    finished = summarise(session.run).course.finished
    completed = finished is not None and finished.done  # its test part read, but not measured yet
    with session:
        ended = "completed" if completed else _train(job, session, tell, stop)
        if ended == "stopped" or (stop.is_set() and not job.trial):  # measuring takes as long as a stop may not
            return None
        outcome = _measure(job, session.run, diverged=ended == "diverged", pixels=pixels)
        outcome.write(path)
    return outcome


def _session(folder: Path, job: PlannedRun) -> RunSession:
    """A new run, or the one that an earlier start began: that has its settings, which it may have changed itself."""
    path = folder / "runs" / job.name
    if path.exists():
        run = RunDirectory.open(path)
        begun = any(run.checkpoints.glob("*"))
        return RunSession(run.config if begun else _as_decided(run.config, path.parent), run, pictures=False)
    config = with_init(job.config, folder.parent)
    return RunSession.create(_as_decided(config, path.parent), path.parent, job.name, pictures=False)


def _as_decided(config: Config, runs: Path) -> Config:
    """With the precision that a run in `runs` of such a network and batch was found faster in: not timed a second time.

    Each start times it anew, and the runs of a comparison, of however many starts, must differ in nothing else.
    """
    if config.model.precision != "auto":
        return config
    for path in sorted(runs.glob("*/config.json")):
        with contextlib.suppress(Simo2Error):  # what cannot be read says so where it is gone on with
            run = RunDirectory.open(path.parent)
            other = run.config
            decided = other.model.precision
            if decided == "auto" or _timed(other) != _timed(config):
                continue
            start = next((event for event in run.events() if isinstance(event, RunStarted)), None)
            if start is not None and start.precision is not None:  # else it was given, to an arm say
                return config.replace({"precision": decided})
    return config


def _timed(config: Config) -> tuple[Any, ...]:
    """What the precision that is faster depends on."""
    images = config.images
    return config.model.encoder, images.image_size, images.min_size, config.batch_size, config.samples_per_class


def _train(job: PlannedRun, session: RunSession, tell: Tell, stop: Stop) -> Literal["completed", "diverged", "stopped"]:
    """Trains a run to its end, a trial to just before it reads the test part; says how it ended."""
    session.control.follow(stop.is_set)
    last = job.config.steps
    try:
        for event in session.events():
            tell(job, event)
            if isinstance(event, RunFinished) and event.reason.early:
                return "stopped"
            if isinstance(event, RunStarted | Planned):  # a run for a time says so how many there will be
                last = event.steps
            if job.trial and isinstance(event, Evaluated) and event.step >= last:
                break
    except DivergedError:
        return "diverged"
    return "completed"


def _measure(job: PlannedRun, run: RunDirectory, *, diverged: bool, pixels: bool) -> Outcome:
    from simo2_core.evaluation.assess import assess
    from simo2_core.evaluation.restore import speaking_for

    course = course_of(run)
    told = course[-1:]
    if job.config.patience and not diverged:  # of the state that test was read with
        step = int(speaking_for(run).name)
        told = [look for look in course if look[0] == step][-1:]
    scores: dict[str, dict[str, float]] = {}
    gram = None
    if not diverged and not job.assessed:
        scores = _own_scores(run)
    elif not diverged and not job.trial:
        features = (*FEATURES, "raw_pixels") if pixels else FEATURES
        found = assess(run, speaking_for(run), features=features)
        scores = {
            name: {key: float(score.mean) for key, score in worth.scores.items()} for name, worth in found.worth.items()
        }
        if len(found.class_names) <= MOST_CLASSES:
            shown = "projection" if job.config.objective.trains_projection else "representation"
            gram = [[None if np.isnan(x) else round(float(x), 5) for x in row] for row in found.class_grams[shown]]
    return Outcome(
        arm=job.arm,
        seed=job.config.seed,
        value=job.value,
        step=told[0][0] if told else 0,
        diverged=diverged,
        validation=told[0][2] if told and not diverged else 0.0,
        seconds=_seconds(run),
        course=tuple(course),
        scores=scores,
        class_gram=gram,
        geometry=_geometry(run, told[0][0]) if told and not diverged else {},
    )


def _geometry(run: RunDirectory, step: int) -> dict[str, float]:
    """By validation, of the state after `step`."""
    seen = (event for event in run.events() if isinstance(event, Evaluated) and event.split == "validation")
    looks = [event for event in seen if event.step == step]
    numbers = {name: getattr(looks[-1], name) for name in GEOMETRY} if looks else {}
    return {name: value for name, value in numbers.items() if value is not None and np.isfinite(value)}


def _own_scores(run: RunDirectory) -> dict[str, dict[str, float]]:
    """What a completed run says of test, of which a classifier is a part where it trains one."""
    test = next(event for event in reversed([*run.events()]) if isinstance(event, Evaluated) and event.split == "test")
    scores = {"representation": {"knn_20": test.knn_representation}, "raw_pixels": {"knn_20": test.knn_raw_pixels}}
    return scores | ({} if test.classifier is None else {"classifier": {"accuracy": test.classifier}})


def course_of(run: RunDirectory) -> list[tuple[int, float, float]]:
    """(step, seconds of training, validation kNN of the representation) of each evaluation in the log of a run."""
    seconds, course = 0.0, []
    for event in run.events():
        if isinstance(event, StepsLogged):
            seconds += len(event.total) / event.steps_per_second
        elif isinstance(event, Evaluated) and event.split == "validation":
            course.append((event.step, seconds, event.knn_representation))
    return course


def _seconds(run: RunDirectory) -> float:
    calls = (event for event in run.events() if isinstance(event, StepsLogged))
    return sum(len(event.total) / event.steps_per_second for event in calls)


def make_stop(devices: int) -> Any:
    """An Event to stop a comparison on so many devices with: `set` it."""
    return threading.Event() if devices == 1 else multiprocessing.get_context("spawn").Event()


def carry_out_all(folder: Path, jobs: Sequence[PlannedRun], devices: int, tell: Tell, stop: Stop) -> Iterator[Outcome]:
    """The outcomes of all jobs, as they come: in the order of `jobs` on one device, by speed on several.

    Ends early when a run is stopped: `stop`, of `make_stop`, is asked.
    """
    if devices == 1:
        for number, job in enumerate(jobs):
            outcome = None if stop.is_set() else carry_out(folder, job, tell, stop, pixels=_with_pixels(number, job))
            if outcome is None:
                return
            yield outcome
        return
    context = multiprocessing.get_context("spawn")
    os.environ["PYTHONSAFEPATH"] = "1"  # or a worker imports a user's own `random.py` before it is told where it is
    free: Any = context.Queue()
    for device in range(devices):
        free.put(device)
    with ProcessPoolExecutor(devices, mp_context=context, initializer=_begin_worker, initargs=(free, stop)) as pool:
        coming = [
            pool.submit(_carry_out_quietly, folder, job, _with_pixels(number, job)) for number, job in enumerate(jobs)
        ]
        try:
            for done in as_completed(coming):
                outcome = done.result()
                if outcome is None:
                    return
                yield outcome
        except BrokenProcessPool:
            raise RunError(
                "a process of the comparison was killed, often for want of memory. The same command goes on where the "
                "runs were saved; a smaller --batch-size or fewer --devices need less."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _with_pixels(number: int, job: PlannedRun) -> bool:
    return number == 0 and not job.trial


def _begin_worker(free: Any, stop: Stop) -> None:
    """In a new worker, before it imports jax: it sees one device alone, and leaves signals to the process above."""
    global _asked  # an Event of another process travels to a worker at its start or not at all
    _asked = stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    device = str(free.get())
    for variable in set(_DEVICE.values()):
        seen = [name for name in os.environ.get(variable, "").split(",") if name]
        os.environ[variable] = seen[int(device)] if len(seen) > int(device) else device


_asked: Any
_busy = threading.Lock()


def _carry_out_quietly(folder: Path, job: PlannedRun, pixels: bool) -> Outcome | None:
    with _busy:
        return None if _asked.is_set() else carry_out(folder, job, lambda _job, _event: None, _asked, pixels=pixels)


def _end_with_parent() -> None:
    """A worker whose parent was killed saves what it trains, and ends; it would wait for more work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    _asked.set()
    with _busy:
        os._exit(1)


def count_devices() -> int:
    """How many accelerators there are, or 1 for the CPU: asked in a child, so that this process takes none of them."""
    program = "import jax; print(jax.local_device_count() if jax.default_backend() in ('gpu', 'tpu') else 1)"
    with contextlib.suppress(OSError, ValueError, IndexError, subprocess.SubprocessError):
        said = subprocess.run(
            [sys.executable, "-P", "-c", program],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=True,
            env=child_environment(),
        )
        return max(1, int(said.stdout.split()[-1]))
    wanted = os.environ.get("JAX_PLATFORMS")
    why = f": JAX_PLATFORMS is {wanted!r}. Unset it if there are none of these, or say" if wanted else ". Say"
    raise RunError(f"jax cannot count the devices of this machine{why} how many to use with --devices.")
