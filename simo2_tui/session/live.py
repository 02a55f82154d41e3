"""Training in a thread of this process.

A plain thread, not a Textual worker: a worker would keep the app from returning when the screen goes away and
training should go on.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from simo2_core.commands import Asker, Command, Requester
from simo2_core.config import Config
from simo2_core.data.progress import Progress
from simo2_core.errors import RunError, Simo2Error
from simo2_core.events import Event, StepsLogged
from simo2_core.run.contained import open_to_append
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import read_events
from simo2_core.session import RunSession
from simo2_core.trackers.service import Service
from simo2_tui.session.history import History

KEYBOARD = Requester(Asker.KEYBOARD)


class LiveSession:
    """A run, new or resumed, trained by a thread that nobody but `command` and the end of training stops."""

    read_only = False
    owned_here = True
    reading = False
    silent_for = None
    owner = None

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        name: str | None = None,
        *,
        resume: RunDirectory | None = None,
        services: Sequence[Service] = (),
        on_run: Callable[[RunDirectory], None] | None = None,
    ) -> None:
        """Makes the run's folder at once, so that a name that is taken is refused before anything starts.

        Args:
            resume: the run to continue from its newest checkpoint, instead of making one.
            services: told of the run while it trains.
            on_run: called with the run's folder before anything heavy is imported, to send stray output there.

        Raises:
            Simo2Error: the folder cannot be made.
        """
        self.history = History()
        self.progress: Progress | None = None
        self.stop_asked = False
        self.last_words: list[str] = []
        """What the services said at the end, a line each."""
        self._resumed = resume is not None
        carry = partial(RunSession, run=resume) if resume else partial(RunSession.create, run_dir=run_dir, name=name)
        self._session = carry(config, services=services, report=self._report, say=self.last_words.append)
        self.config, self._run = self._session.config, self._session.run
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

    def command(self, word: str, source: Requester = KEYBOARD) -> None:
        self.stop_asked |= word == Command.STOP
        self._session.control.send(word, source)

    @property
    def before_first_step(self) -> bool:
        """Whether jax is being loaded or the step compiled: there is nothing to save, and a stop ends it at once."""
        return self.alive and self.progress is None and (self.history.compiling or not self.history.starts)

    def close(self) -> None:
        """Nothing to let go of: the thread goes on until it is told to stop."""

    def _report(self, progress: Progress) -> None:
        self.progress = progress

    def _train(self) -> None:
        try:
            with self._session:
                self.progress = None
                earlier = told(self._run) if self._resumed else []
                for event in self._session.events():
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
