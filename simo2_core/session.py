"""One start of a run, from its folder to its last event: the same for the command line, the console, a comparison,
a trial and a script of one's own.

    with RunSession.create(config, Path("runs"), "mine") as session:
        for event in session.events():
            ...

Inside the block the run is this process's own. Its images are decoded, a state that diverged is set aside, the
tracking services have begun. The events are in the run's log before they come out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from simo2_core.bounds import shown
from simo2_core.child import child_environment
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.located import absolute
from simo2_core.data.progress import Progress
from simo2_core.errors import ConfigError, RunError, Simo2Error, StoppedError
from simo2_core.events import Event
from simo2_core.faults import naming_faults
from simo2_core.presets import config_for
from simo2_core.pretrained.place import is_pretrained
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory, list_runs
from simo2_core.run.log import record
from simo2_core.run.state import State
from simo2_core.run.summary import summarise
from simo2_core.track.outlet import Tracking
from simo2_core.trackers.service import Service


class RunSession:
    """Carries a run, new or gone on with. Use it once, as a context manager."""

    def __init__(
        self,
        config: Config,
        run: RunDirectory,
        *,
        dataset: Dataset | None = None,
        pictures: bool = True,
        services: Sequence[Service] = (),
        report: Callable[[Progress], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Takes a run that exists, to go on with; starts nothing yet.

        Args:
            dataset: what to train on, where it is loaded already; by default what `config.data` names.
            pictures: whether to draw the plots, which `simo2 plot` can do later.
            services: told of the run while it trains.
            report: gets the progress of decoding.
            say: gets a line for each service at the end.
        """
        self.config, self.run = config, run
        self.control = Control()
        """Where to ask for a checkpoint, an evaluation, plots, a pause or a stop; from any thread."""
        self._dataset, self._pictures = dataset, pictures
        self._services, self._report, self._say = services, report, say
        self._held = contextlib.ExitStack()
        self._events: Generator[Event] | None = None
        self._tracking: Tracking | None = None

    @classmethod
    def create(
        cls,
        config: Config,
        run_dir: Path,
        name: str | None = None,
        *,
        dataset: Dataset | None = None,
        pictures: bool = True,
        services: Sequence[Service] = (),
        report: Callable[[Progress], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> RunSession:
        """Makes the folder of a new run at once: a name that is taken is refused before anything starts.

        Weights to begin with (`init`) are looked for in `run_dir`, where they are named and not a path.

        Raises:
            ConfigError: the name is no folder name, or XLA does not know its flags.
            RunError: it is taken, the disk refuses, or there are no such weights.
        """
        given, config = config, with_init(config, run_dir)
        if config.data != given.data:  # pretrained weights want images of their own size and normalisation
            dataset = None
        require_flags()
        run = RunDirectory.create(run_dir, name, config)
        return cls(config, run, dataset=dataset, pictures=pictures, services=services, report=report, say=say)

    def __enter__(self) -> Self:
        """Owns the run, decodes its images, and begins the tracking.

        Raises:
            RunLockedError: another live process owns the run.
            ConfigError: more steps are taken than the settings ask for.
            DataError: the data set is missing, unreadable or unfit.
            PartError: the source is not simo2's own, and raised.
            StoppedError: a stop was asked for meanwhile.
        """
        require_flags()
        with naming_faults(), contextlib.ExitStack() as stack:
            stack.enter_context(self.run.own())
            self.control.listen_to(self.run.control)
            self._look_back()
            if self._dataset is None:
                self._decode()
            self._tracking = stack.enter_context(Tracking(self.run, self._services, self._say))
            self._held = stack.pop_all()
        return self

    def _look_back(self) -> None:
        """Makes sure that the run can go on from where it is."""
        if not any(self.run.checkpoints.glob("*")):
            return
        from simo2_core.checkpoints.recovery import require_ahead, set_diverged_aside  # 2 s of jax

        if summarise(self.run).course.finished is State.DIVERGED:
            # its newest state is what gave a loss that is not finite, whatever the learning rate
            set_diverged_aside(self.run)
        require_ahead(self.config, self.run)

    def _decode(self) -> None:
        """Puts what is not in the cache there: training finds it, and this first pass is the one that takes minutes."""
        from simo2_core.data.load import load_dataset

        def report(progress: Progress) -> None:
            self._report(progress)
            if self.control.stop_asked:
                raise StoppedError("stopped while the data were prepared, before the first step.")

        load_dataset(self.config.images, report=report)

    def events(self) -> Iterator[Event]:
        """Trains, and says what happens, after it is in the log; see `simo2_core.train.trainer.train`.

        Whoever has seen enough leaves the block: training ends there.
        """
        self._events = self._train()
        return self._events

    def _train(self) -> Generator[Event]:
        from simo2_core.train.trainer import train  # seconds of jax: not before the settings are known to work

        assert self._tracking is not None, "the session must be entered first"
        events = train(self.config, self.run, self.control, self._dataset, pictures=self._pictures)
        yield from record(self._tracking.watch(events), self.run)

    def adopt(self) -> Iterator[Event]:
        """Saves the weights that the run begins with, untrained; see `simo2_core.train.adopting.adopt`."""
        from simo2_core.train.adopting import adopt

        assert self._tracking is not None, "the session must be entered first"
        return record(self._tracking.watch(adopt(self.config, self.run, self._dataset)), self.run)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()
        self._held.__exit__(kind, error, trace)


def run_of_weights(
    weights: str,
    data: str,
    run_dir: Path,
    *,
    image_size: int = 0,
    report: Callable[[Progress], None] = lambda _: None,
) -> RunDirectory:
    """The run of a data set whose encoder is pretrained elsewhere: it has a checkpoint and has taken no step.

    Its projection is the representation, of unit length, but for that of an encoder that simo2 exported. One that is
    there already, untrained, is found again.

    Args:
        weights: FILE.safetensors, a folder with one, or hf:NAME.
        data: a data set, as for `simo2 train --dataset`. Without classes every image is one of its own.
        run_dir: the folder that holds the runs.
        image_size: pixels of a side; 0 for what the encoder was trained on.
        report: gets the progress of decoding.

    Raises:
        RunError: there are no such weights, they are damaged, or the disk refuses.
        DataError: the data set is missing, unreadable or unfit.
        ConfigError: a setting that cannot work.
    """
    if not is_pretrained(weights):
        raise RunError(
            f"{weights} is no FILE.safetensors, no folder with one, and no hf:NAME. For a run leave out --encoder."
        )
    begin = config_for(data).replace({"init": weights, "image_size": image_size, "channels": 0})
    config = with_init(begin, run_dir)
    config = config.replace({"embedding_size": _projection(config)}).with_source()
    from simo2_core.checkpoints.checkpoint import list_steps  # 2 s of jax
    from simo2_core.data.load import load_dataset

    heap = dataclasses.replace(config.images, labels="none")  # refuses no images for want of classes
    dataset = load_dataset(heap, report=report)
    if len(dataset.class_names) < 2:
        config = config.replace({"labels": "none"})
    settings = absolute(config).to_json()
    read = Path(str(config.tune.init)).stat().st_mtime
    for run in list_runs(run_dir):
        with contextlib.suppress(Simo2Error, OSError):
            same = list_steps(run.checkpoints) == [0] and absolute(run.config).to_json() == settings
            if same and (run.checkpoints / "0").stat().st_mtime > read:  # else the weights are others by now
                return run
    stem = re.sub(r"[^\w.]+", "-", Path(data).name).strip("-.") or "data"
    with RunSession.create(
        config, run_dir, _free(run_dir, f"{config.model.encoder.name}-{stem}"), report=report
    ) as session:
        for _ in session.adopt():
            pass
        return session.run


def _projection(config: Config) -> int:
    """Dimensions of the embedding that weights come with; of those without one, the features themselves."""
    from simo2_core.pretrained.recognise import recognise

    return recognise(str(config.tune.init)).projection or config.model.encoder.features


def _free(run_dir: Path, stem: str) -> str:
    """A name that no run has."""
    names = (stem, *(f"{stem}-{count}" for count in range(2, 10_000)))
    return next(name for name in names if not (run_dir / name).exists())


@functools.cache
def require_flags() -> None:
    """Raises ConfigError when XLA does not know its own flags: it would end this process, where nobody reads why."""
    given = os.environ.get("XLA_FLAGS")
    if not given:
        return
    tried = subprocess.run(
        [sys.executable, "-P", "-c", "import jax; jax.devices()"],
        env=child_environment(JAX_PLATFORMS="cpu"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if tried.returncode:
        lines = [line for line in tried.stderr.splitlines() if "XLA_FLAGS" in line] or ["it ended"]
        raise ConfigError(f"XLA_FLAGS is {shown(given)}, with which XLA ends ({lines[-1].strip()[-200:]}). Unset it.")


def with_init(config: Config, run_dir: Path) -> Config:
    """The settings with the path of the weights that training begins with, in place of a run's name.

    Weights of a file bring their encoder, and how images are prepared for it.

    Raises:
        RunError: there is no such run in `run_dir`, or it has no checkpoint; or there is no such file.
        ConfigError: the settings do not go with pretrained weights.
    """
    if config.tune.init is None:
        return config
    if is_pretrained(config.tune.init):
        from simo2_core.pretrained.adapt import with_pretrained

        return with_pretrained(config)
    from simo2_core.evaluation.restore import locate  # 2 s of jax, for a rare need

    return config.replace({"init": str(locate(config.tune.init, run_dir).absolute())})
