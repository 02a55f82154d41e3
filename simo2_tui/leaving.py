"""How the console is left: by a key that asks about a run that lives, or by a signal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.app import App

from simo2_core.commands import Asker, Command
from simo2_core.errors import INTERRUPTED
from simo2_tui.screens.dialogs import LEAVE, LEAVE_EARLY, ChoiceDialog
from simo2_tui.session.base import Session
from simo2_tui.session.live import LiveSession

DETACHED, LEFT, CANCELLED = 10, 0, INTERRUPTED
"""What the app returns: the screen went and training goes on; done; a run was stopped, or a signal ended it."""


class Leaving:
    """Ends the app, after the training here has ended where that was asked for."""

    def __init__(self, app: App[int], session: Callable[[], Session | None]) -> None:
        """Ends nothing yet; `session` gives what is watched now."""
        self._app, self._session = app, session
        self._asker: Asker | None = None
        self._asked: ChoiceDialog | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Listens to signals from now on; called when the app's loop turns."""
        self._loop = asyncio.get_running_loop()

    @property
    def under_way(self) -> bool:
        """Whether training was asked to stop, and the screen goes when it has ended."""
        return self._asker is not None

    def _training(self) -> Session | None:
        session = self._session()
        return session if session is not None and session.alive and session.owned_here else None

    def quit(self) -> None:
        """Leaves at once, or asks what becomes of the run that is trained here."""
        session = self._training()
        if session is None:
            self._app.exit(LEFT)
        elif self._asked not in self._app.screen_stack and not self.under_way:
            early = isinstance(session, LiveSession) and session.before_first_step
            self._asked = ChoiceDialog(*(LEAVE_EARLY if early else LEAVE))
            self._app.push_screen(self._asked, self._answered)

    def _answered(self, answer: str | None) -> None:
        if answer == "detach":
            self._app.exit(DETACHED)
        elif answer == "save":
            self.stop(Asker.KEYBOARD)

    def stop(self, asker: Asker) -> None:
        """Asks training to stop; the screen goes when the checkpoint is on disk."""
        session = self._training()
        if session is None:
            self._app.exit(CANCELLED if asker == Asker.SIGNAL else LEFT)
            return
        if self._asker is None and asker != Asker.SIGNAL:
            session.command(Command.STOP)
        if self._asker is None:
            self._app.set_interval(0.1, self._when_ended)
        self._asker = asker

    def _when_ended(self) -> None:
        session = self._session()
        if session is not None and not session.alive:
            self._app.exit(CANCELLED)

    # A signal handler runs between any two lines, outside the app's own context: both of these only leave a message.

    def leave_soon(self, result: int) -> None:
        """Ends the screen; may be called from a signal handler."""
        self._soon(self._app.exit, result)

    def stop_soon(self) -> None:
        """Ends the screen once training, which was told to stop, has ended; may be called from a signal handler."""
        self._soon(self.stop, Asker.SIGNAL)

    def _soon(self, call: Callable[..., Any], what: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._app.call_later, call, what)
