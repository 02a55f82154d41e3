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
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.progress import Progress
from simo2_core.errors import StoppedError
from simo2_core.events import Event
from simo2_core.faults import naming_faults
from simo2_core.pretrained.place import is_pretrained
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
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
            ConfigError: the name is no folder name.
            RunError: it is taken, the disk refuses, or there are no such weights.
        """
        given, config = config, with_init(config, run_dir)
        if config.data != given.data:  # pretrained weights want images of their own size and normalisation
            dataset = None
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()
        self._held.__exit__(kind, error, trace)


def with_init(config: Config, run_dir: Path) -> Config:
    """The settings with the path of the weights that training begins with, in place of a run's name.

    Pretrained weights of another library bring their encoder, and how images are prepared for it.

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
