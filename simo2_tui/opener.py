"""Which run the console shows: one that it starts or goes on with here, or one that it follows from its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual.app import App

from simo2_core.config import Config
from simo2_core.errors import DivergedError, Simo2Error
from simo2_core.run.directory import RunDirectory
from simo2_core.run.owner import Presence
from simo2_core.run.state import State
from simo2_core.run.summary import summarise
from simo2_core.trackers.service import Service
from simo2_tui.screens.dialogs import FailureScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.session.base import Session, watched_file
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.live import LiveSession
from simo2_tui.widgets.text import ago


class Opener:
    """Holds the session that is watched, and the screens that show it."""

    def __init__(
        self,
        app: App[Any],
        run_dir: Path,
        launcher: Callable[..., LauncherScreen],
        *,
        session: Session | None = None,
        services: Sequence[Service] = (),
        on_run: Callable[[RunDirectory], None] | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            launcher: makes the screen that is there while no run is; takes the `name` of the run started next.
            session: what is watched at first; if it is read-only, so is whatever is opened later.
            services: told of every run that is trained here.
            on_run: called with the folder of a run that is started here.
        """
        self.session = session
        self.read_only = session is not None and session.read_only
        """Whether this console only watches, whichever run it shows."""
        self._app, self._run_dir, self._launcher = app, run_dir, launcher
        self._services, self._on_run = services, on_run
        self._told = False
        self._watched = 0.0

    def begin(self, name: str | None) -> None:
        """Shows the first screen; `name` is what the first run will be called."""
        if self.session is not None:
            self._say_unwatched(self.session)
            self._app.push_screen(MonitorScreen(self.session))
        else:
            self._app.push_screen(self._launcher(name=name))

    def start(self, config: Config, name: str | None = None) -> None:
        """Starts a run and shows it; says in one line why not. Without a name it gets one of preset and time."""
        if not self._refused():
            self._train(lambda: config, name=name)

    def resume(self, run: RunDirectory) -> None:
        """Continues a run here from its newest checkpoint.

        One that diverged goes on from the checkpoint before, with `RATE_AFTER_DIVERGENCE` of the learning rate: the
        state that it left gives the same loss that is not finite, whatever the rate.
        """
        if self._refused():
            return
        if run.owned():
            if run.owner().presence == Presence.ELSEWHERE:
                self._app.notify(f"{run.owner()} may be training it. From a shell: simo2 resume {run.path}", timeout=8)
            self.follow(run)
            return
        summary = summarise(run)
        if summary.state is State.SETTLED:
            cure = f"From a shell: simo2 resume {run.path} --patience 0"
            said = f"{run.name} has settled at step {summary.step:,}. {cure}"
            self._app.notify(said, severity="warning", timeout=8)
        elif summary.state is State.COMPLETED:
            self._app.notify(f"{run.name} is complete: all its {summary.steps:,} steps are done.", severity="warning")
        elif summary.state is State.DIVERGED:
            self._train(lambda: self._slowed_down(run), resume=run)
        else:
            self._train(lambda: run.config, resume=run)

    def _slowed_down(self, run: RunDirectory) -> Config:
        config = run.config.slowed_down()
        self._app.notify(f"Goes on from before it diverged, with learning rate {config.optim.learning_rate:.2g}.")
        return config

    def _refused(self) -> bool:
        """Whether nothing may be trained here now, and says why: it only watches, or it trains a run already."""
        why = ""
        if self.read_only:
            why = "This console was opened with --read-only: it trains nothing. In another: simo2 tui."
        elif self.session is not None and self.session.alive and self.session.owned_here:
            why = "A run is training in this console already."
        if why:
            self._app.notify(why, severity="warning")
        return bool(why)

    def _train(self, config: Callable[[], Config], **which: Any) -> None:
        try:
            session = LiveSession(config(), self._run_dir, services=self._services, on_run=self._on_run, **which)
        except Simo2Error as error:
            self._app.notify(str(error), severity="error", timeout=10)
            return
        session.start()
        self._show(session)

    def follow(self, run: RunDirectory) -> bool:
        """Follows a run that is trained elsewhere, or has ended; says whether it is shown now, and if not, why."""
        shown = self.session
        same = shown is not None and shown.run is not None and shown.run.path == run.path
        if shown is not None and shown.owned_here and shown.alive and not same:
            self._app.notify("This console trains a run; look at others with simo2 attach.", severity="warning")
            return False
        if shown is not None and same and (not shown.owned_here or shown.alive) and self._to_monitor():
            return True  # a key pressed twice opens a run once
        try:
            session = FollowSession(run, read_only=self.read_only)
        except Simo2Error as error:
            self._app.notify(str(error), severity="error", timeout=10)
            return False
        session.start()
        self._say_unwatched(session)
        self._show(session)
        return True

    def _show(self, session: Session) -> None:
        if self.session is not None:
            self.session.close()
        self.session, self._told = session, False
        while len(self._app.screen_stack) > 1 and not isinstance(self._app.screen, LauncherScreen):
            self._app.pop_screen()
        self._app.push_screen(MonitorScreen(session))

    def _to_monitor(self) -> bool:
        """Back to the monitor of the session, where there is one in the stack."""
        monitors = (screen for screen in self._app.screen_stack if isinstance(screen, MonitorScreen))
        if not any(screen.session is self.session for screen in monitors):
            return False
        while not isinstance(self._app.screen, MonitorScreen):
            self._app.pop_screen()
        return True

    def leave_monitor(self) -> None:
        """Back to the launcher, when the run does not need this console any more."""
        session = self.session
        if session is not None and session.owned_here and session.alive:
            self._app.notify("The run is training here: q asks what to do with it.", timeout=4)
        elif len(self._app.screen_stack) > 2:
            self._app.pop_screen()
        else:
            self._app.switch_screen(self._launcher(name=None))

    def look_after(self) -> None:
        """Notes in the run's folder that somebody watches; called a few times a second."""
        session = self.session
        if session is None or session.run is None or session.read_only or time.monotonic() - self._watched <= 5:
            return
        self._watched = time.monotonic()
        try:
            watched_file(session.run).touch()
        except OSError:
            self._watched += 60  # a folder that cannot be written is not asked every five seconds

    def _say_unwatched(self, session: Session) -> None:
        """How long nobody watched a run that is trained elsewhere."""
        if session.owned_here or session.run is None or not session.alive:
            return
        try:
            seconds = time.time() - watched_file(session.run).stat().st_mtime
        except OSError:
            self._app.notify("Nobody has watched this run so far.", timeout=6)
            return
        if seconds > 15:
            self._app.notify(f"Nobody watched for {ago(seconds)}.", timeout=6)

    def tell_failure(self) -> None:
        """Says once what ended training that was not to end, with the cure."""
        session = self.session
        if session is None or self._told or session.alive or session.error is None:
            return
        self._told = True
        error = session.error
        reason = str(error) if isinstance(error, Simo2Error) else f"{type(error).__name__}: {error}"
        cure = "" if isinstance(error, Simo2Error) else "This is a fault of simo2: please report it with the log."
        if isinstance(error, DivergedError):
            lower = session.config.slowed_down().optim.learning_rate
            kept = sorted({event.step for event in list(session.history.checkpoints)})[:-1]
            where = f"step {kept[-1]:,}, the checkpoint before" if kept else "the beginning, for want of a checkpoint"
            cure = f"g goes back to {where}, and trains on from there with learning rate {lower:.2g}."
        self._app.bell()
        log = session.run.log_path if session.run else None
        screen = FailureScreen(reason, cure, log, back=isinstance(error, DivergedError))
        self._app.push_screen(screen, partial(self._go_back, session))

    def _go_back(self, session: Session, wanted: bool | None) -> None:
        if wanted and session.run is not None:
            self.resume(session.run)
