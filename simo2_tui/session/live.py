"""Training in a thread of this process.

A plain thread, not a Textual worker: a worker would keep the app from returning when the screen goes away and
training should go on.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from simo2_core.commands import Asker, Command, Reason, Source
from simo2_core.config import Config
from simo2_core.data.progress import Progress
from simo2_core.errors import RunError, Simo2Error, StoppedError
from simo2_core.events import Event, RunFinished, StepsLogged
from simo2_core.run.contained import open_to_append
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import EventLog, read_events
from simo2_core.run.log import record
from simo2_tui.session.history import History

KEYBOARD = Source(Asker.KEYBOARD)


class LiveSession:
    """A run, new or resumed, trained by a thread that nobody but `command` and the end of training stops."""

    read_only = False
    owned_here = True
    reading = False

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        name: str | None = None,
        *,
        resume: RunDirectory | None = None,
        diverged: bool = False,
        on_run: Callable[[RunDirectory], None] | None = None,
    ) -> None:
        """Makes the run's folder at once, so that a name that is taken is refused before anything starts.

        Args:
            resume: the run to continue from its newest checkpoint, instead of making one.
            diverged: continue it from before the state that diverged, which is its newest checkpoint.
            on_run: called with the run's folder before anything heavy is imported, to send stray output there.

        Raises:
            Simo2Error: the folder cannot be made.
        """
        self.config = config
        self.history = History()
        self.progress: Progress | None = None
        self.stop_asked = False
        self.left = False
        """Whether training was given up before its first step: the process has to end without its thread."""
        self._resumed, self._diverged = resume is not None, diverged
        self._run = resume or RunDirectory.create(run_dir, name, config)
        self._control = Control(self._run.control)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._train, name="simo2-train", daemon=False)
        if on_run:
            on_run(self._run)

    @property
    def run(self) -> RunDirectory | None:
        return self._run

    @property
    def owned_since(self) -> float | None:
        # Before its start it is about to be trained, and after its last word it is not any more.
        return 0.0 if self.alive or self._thread.ident is None else None

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        return self._error

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Waits until training has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def command(self, word: str, source: Source = KEYBOARD) -> None:
        self.stop_asked |= word == Command.STOP
        self._control.send(word, source)

    @property
    def before_first_step(self) -> bool:
        """Whether jax is being loaded or the step compiled: to leave now loses nothing, and a stop would wait."""
        return self.alive and self.progress is None and (self.history.compiling or not self.history.starts)

    def leave(self, reason: Reason) -> None:
        """Gives training up before its first step, with `reason` in the log; compiling cannot be interrupted.

        The caller must end the process: the thread is left where it is.
        """
        self.left = self.stop_asked = True
        kept = self.history.checkpoints[-1].path if self.history.checkpoints else None
        message = "left before the first step, while it was prepared or compiled"
        with contextlib.suppress(RunError):  # a disk that takes no line keeps nobody from leaving
            log = EventLog(self._run.events_path)
            log.write(RunFinished(step=self.history.step, reason=reason, message=message, checkpoint=kept, seconds={}))
            log.close()

    def _until_left(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if self.left:  # the log has been closed with a last word
                return
            yield event

    def close(self) -> None:
        """Nothing to let go of: the thread goes on until it is told to stop."""

    def _report(self, progress: Progress) -> None:
        self.progress = progress
        if self.stop_asked:
            raise StoppedError("stopped while the data were prepared, before the first step.")

    def _train(self) -> None:
        try:
            from simo2_core.data.load import load_dataset
            from simo2_core.train.trainer import train  # seconds of jax: not before the first screen is drawn

            with self._run.own():
                # The trainer finds the data decoded: this first pass is the one that can take minutes.
                load_dataset(self.config.data, report=self._report)
                self.progress = None
                if self._diverged:
                    from simo2_core.checkpoints.recovery import set_diverged_aside

                    set_diverged_aside(self._run)
                earlier = told(self._run) if self._resumed else []
                events = train(self.config, self._run, self._control)
                for event in record(self._until_left(events), self._run):
                    for before in earlier:
                        if _last_step(before) <= event.step:
                            self.history.add(before)
                    earlier = []
                    self.history.add(event)
        except Simo2Error as error:
            self._error = error
        except BaseException as error:  # a crash here must reach the screen, whatever it is
            self._error = error
            with contextlib.suppress(OSError), open_to_append(self._run.log_path) as log:
                log.write("".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"))


def told(run: RunDirectory) -> list[Event]:
    """What the run's log says so far; lines that cannot be read are passed over, as resuming drops them."""
    events: list[Event] = []
    with contextlib.suppress(RunError):
        events.extend(read_events(run.events_path, warn=False))
    return events


def _last_step(event: Event) -> int:
    return event.last_step if isinstance(event, StepsLogged) else event.step
