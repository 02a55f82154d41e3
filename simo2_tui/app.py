"""The console: one app over three screens, one timer that draws what is new."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen

from simo2_core.commands import Asker, Command
from simo2_core.config import Config
from simo2_core.errors import INTERRUPTED, DivergedError, Simo2Error
from simo2_core.run.directory import RunDirectory
from simo2_core.run.owner import Presence
from simo2_core.run.state import State
from simo2_core.run.summary import summarise
from simo2_core.trackers.service import Service
from simo2_tui.screens.base import ConsoleScreen
from simo2_tui.screens.dialogs import LEAVE, LEAVE_EARLY, ChoiceDialog, FailureScreen, HelpScreen
from simo2_tui.screens.embedding import EmbeddingScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.screens.runs import RunsScreen
from simo2_tui.session.base import Session, watched_file
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.live import LiveSession
from simo2_tui.themes import THEMES, themes_for
from simo2_tui.widgets.text import ago

FASTEST = 1 / 3
"""Seconds between two looks at the history."""

WINDOW = 10.0
"""Seconds over which the link's cost is averaged: one full redraw is no rate."""

WORDS_SECONDS = 3.0
"""Seconds between two statements of what the screen costs: saying it costs as well."""

SHARE = 0.03
"""Share of a processor that drawing may take: on two cores that train, more is felt in the steps."""

SLOWEST = 5.0
"""However thin the link, the screen is at most this old."""

BUDGET = 8_000
"""Bytes a second that the screen may send."""

DETACHED, LEFT, CANCELLED = 10, 0, INTERRUPTED
"""What `run` returns: the screen went and training goes on; done; a run was stopped, or a signal ended it."""


class Console(App[int]):
    """The launcher, or the screen of one run."""

    CSS_PATH = "app.tcss"
    TITLE = "simo2"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("E", "embedding", "embedding", key_display="E"),
        Binding("R", "runs", "runs", key_display="R"),
        Binding("q", "quit", "quit", tooltip="quit; asks about a run that lives"),
        Binding("ctrl+c,ctrl+q", "quit", "quit", show=False),  # by itself: while a line is typed, q is a letter
        Binding("ctrl+z", "suspend_process", "suspend", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
    ]

    def __init__(
        self,
        run_dir: Path,
        *,
        preset: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        name: str | None = None,
        services: Sequence[Service] = (),
        session: Session | None = None,
        ascii_only: bool = False,
        colour: bool = True,
        theme: str = "simo2-dark",
        budget: int = BUDGET,
        sent: Callable[[], int] = lambda: 0,
        stalled: Callable[[], bool] = lambda: False,
        gone: Callable[[], bool] = lambda: False,
        on_run: Callable[[RunDirectory], None] | None = None,
        driver: Any = None,
    ) -> None:
        """Makes the console for a run that is watched (`session`), or with a launcher.

        Args:
            name: the name of the first run that is started here.
            services: told of every run that is trained here.
            colour: whether the terminal shows colours; `NO_COLOR` says no as well.
            budget: bytes a second that the screen may send; it draws less often to stay below.
            sent: how many bytes the terminal has taken so far.
            stalled: whether the terminal takes nothing now: then nothing is drawn.
            gone: whether the terminal has hung up: then the screen goes, whether or not a signal says so.
            on_run: called with the folder of a run that is started here.
        """
        super().__init__(driver_class=driver)
        self.run_dir = run_dir
        self.session = session
        self.ascii_only = ascii_only
        self.no_color = self.no_color or not colour
        self._preset, self._overrides, self._name = preset, dict(overrides or {}), name
        self._theme_name = theme
        self._budget, self._sent, self._stalled, self._gone = budget, sent, stalled, gone
        self._services, self._on_run = services, on_run
        self._leaving: Asker | None = None
        self._told = False
        self._words = ("", "")
        self._worded = 0.0
        self._last = (0, 0.0)
        self._sent_at: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._watched = 0.0
        self._turning: asyncio.AbstractEventLoop | None = None
        self.animation_level = "none"

    def on_mount(self) -> None:
        self._turning = asyncio.get_running_loop()
        for theme in themes_for(self.console.color_system):
            self.register_theme(theme)
        self.theme = self._theme_name
        self.set_class(self.no_color, "-no-colour")
        self._last = (self._sent(), time.thread_time())
        if self.session is not None:
            self._say_unwatched(self.session)
            self.push_screen(MonitorScreen(self.session))
        else:
            self.push_screen(LauncherScreen(self._preset, self._overrides, self._name))
        self.set_timer(FASTEST, self._tick)

    def _tick(self) -> None:
        """Draws what is new, then sets the next look so that link and processor stay within their budgets."""
        if self._gone():
            self.exit(DETACHED)
            return
        if self._stalled():
            self.set_timer(FASTEST, self._tick)
            return
        if self.session is not None:
            self._look_after(self.session)
        if not self.screen_stack:
            return  # the app is closing
        if isinstance(self.screen, ConsoleScreen):
            self.screen.poll()
        now, sent, worked = time.monotonic(), self._sent(), time.thread_time()
        sent_then, worked_then = self._last
        self._last = (sent, worked)
        self._sent_at.append((now, sent))
        while now - self._sent_at[0][0] > WINDOW and len(self._sent_at) > 2:
            self._sent_at.popleft()
        begun, sent_before = self._sent_at[0]
        rate = (sent - sent_before) / max(now - begun, FASTEST)
        if sent and self.session is not None and now - self._worded >= WORDS_SECONDS:
            self._worded = now
            self._words = (f"{rate / 1000:.1f} kB/s", f"{(worked - worked_then) * 1000:.0f} ms")
        wait = max(FASTEST, (sent - sent_then) / self._budget, (worked - worked_then) / SHARE)
        self.set_timer(min(wait, SLOWEST), self._tick)

    def cost_words(self) -> tuple[str, str]:
        """What the screen costs: bytes a second to the terminal, and work for the last refresh."""
        return self._words

    def _look_after(self, session: Session) -> None:
        if session.run is not None and not session.read_only and time.monotonic() - self._watched > 5:
            self._watched = time.monotonic()
            try:
                watched_file(session.run).touch()
            except OSError:
                self._watched += 60  # a folder that cannot be written is not asked every five seconds
        if not self._told and self._leaving is None and not session.alive and session.error is not None:
            self._told = True
            self._tell_failure(session, session.error)

    def _tell_failure(self, session: Session, error: BaseException) -> None:
        reason = str(error) if isinstance(error, Simo2Error) else f"{type(error).__name__}: {error}"
        cure = "" if isinstance(error, Simo2Error) else "This is a fault of simo2: please report it with the log."
        if isinstance(error, DivergedError):
            lower = session.config.slowed_down().optim.learning_rate
            kept = sorted({event.step for event in list(session.history.checkpoints)})[:-1]
            where = f"step {kept[-1]:,}, the checkpoint before" if kept else "the beginning, for want of a checkpoint"
            cure = f"g goes back to {where}, and trains on from there with learning rate {lower:.2g}."
        self.bell()
        log = session.run.log_path if session.run else None
        screen = FailureScreen(reason, cure, log, back=isinstance(error, DivergedError))
        self.push_screen(screen, partial(self._go_back, session))

    def _go_back(self, session: Session, wanted: bool | None) -> None:
        if wanted and session.run is not None:
            self.resume(session.run)

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information",
        timeout: float | None = None, markup: bool = False,
    ) -> None:  # fmt: skip
        """Shows a message as it is written, whatever brackets are in a path or an error."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def _say_unwatched(self, session: Session) -> None:
        """On attach: how long nobody watched."""
        if session.owned_here or session.run is None or not session.alive:
            return
        try:
            seconds = time.time() - watched_file(session.run).stat().st_mtime
        except OSError:
            self.notify("Nobody has watched this run so far.", timeout=6)
            return
        if seconds > 15:
            self.notify(f"Nobody watched for {ago(seconds)}.", timeout=6)

    def start(self, config: Config, name: str | None = None) -> None:
        """Starts a run and shows it; says in one line why not. Without a name it gets one of preset and time."""
        if self.session is not None and self.session.alive and self.session.owned_here:
            self.notify("A run is training in this console already.", severity="warning")
            return
        try:
            session = LiveSession(config, self.run_dir, name, services=self._services, on_run=self._on_run)
        except Simo2Error as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        session.start()
        self._show(session)

    def resume(self, run: RunDirectory) -> None:
        """Continues a run here from its newest checkpoint.

        One that diverged goes on from the checkpoint before, with `RATE_AFTER_DIVERGENCE` of the learning rate: the
        state that it left gives the same loss that is not finite, whatever the rate.
        """
        if self.session is not None and self.session.read_only:
            self.notify("This console was opened with --read-only.", severity="warning")
            return
        if self.session is not None and self.session.alive and self.session.owned_here:
            self.notify("A run is training in this console already.", severity="warning")
            return
        if run.owned():
            if run.owner().presence == Presence.ELSEWHERE:
                self.notify(f"{run.owner()} may be training it. From a shell: simo2 resume {run.name}.", timeout=8)
            self.follow(run)
            return
        summary = summarise(run)
        if summary.state is State.COMPLETED:
            self.notify(f"{run.name} is complete: all its {summary.steps:,} steps are done.", severity="warning")
            return
        try:
            config = run.config
            diverged = summary.state is State.DIVERGED
            if diverged:
                config = config.slowed_down()
                self.notify(f"Goes on from before it diverged, with learning rate {config.optim.learning_rate:.2g}.")
            session = LiveSession(config, self.run_dir, resume=run, services=self._services, on_run=self._on_run)
        except Simo2Error as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        session.start()
        self._show(session)

    def follow(self, run: RunDirectory, read_only: bool = False) -> bool:
        """Follows a run that is trained elsewhere, or has ended; says whether it is shown now, and if not, why."""
        shown = self.session
        same = shown is not None and shown.run is not None and shown.run.path == run.path
        if shown is not None and shown.owned_here and shown.alive and not same:
            self.notify("This console trains a run; look at others with simo2 attach.", severity="warning")
            return False
        if shown is not None and same and (not shown.owned_here or shown.alive) and self._to_monitor():
            return True  # a key pressed twice opens a run once
        try:
            session = FollowSession(run, read_only=read_only)
        except Simo2Error as error:
            self.notify(str(error), severity="error", timeout=10)
            return False
        session.start()
        self._say_unwatched(session)
        self._show(session)
        return True

    def _show(self, session: Session) -> None:
        if self.session is not None:
            self.session.close()
        self.session, self._told = session, False
        while len(self.screen_stack) > 1 and not isinstance(self.screen, LauncherScreen):
            self.pop_screen()
        self.push_screen(MonitorScreen(session))

    def _to_monitor(self) -> bool:
        """Back to the monitor of the session, where there is one in the stack."""
        if not any(
            isinstance(screen, MonitorScreen) and screen.session is self.session for screen in self.screen_stack
        ):
            return False
        while not isinstance(self.screen, MonitorScreen):
            self.pop_screen()
        return True

    def leave_monitor(self) -> None:
        """Back to the launcher, when the run does not need this console any more."""
        session = self.session
        if session is not None and session.owned_here and session.alive:
            self.notify("The run is training here: q asks what to do with it.", timeout=4)
        elif len(self.screen_stack) > 2:
            self.pop_screen()
        else:
            self.switch_screen(LauncherScreen(self._preset, self._overrides))

    async def action_quit(self) -> None:
        session = self.session
        if session is None or not session.owned_here or not session.alive:
            self.exit(LEFT)
        elif isinstance(self.screen, ChoiceDialog) or self._leaving:
            return
        else:
            early = isinstance(session, LiveSession) and session.before_first_step
            self.push_screen(ChoiceDialog(*(LEAVE_EARLY if early else LEAVE)), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "detach":
            self.exit(DETACHED)
        elif answer == "save":
            self.stop(Asker.KEYBOARD)

    def stop(self, asker: Asker) -> None:
        """Asks training to stop; the screen goes when the checkpoint is on disk."""
        if self.session is None or not self.session.alive or not self.session.owned_here:
            self.exit(CANCELLED if asker == Asker.SIGNAL else LEFT)
            return
        if self._leaving is None and asker != Asker.SIGNAL:
            self.session.command(Command.STOP)
        if self._leaving is None:
            self.set_interval(0.1, self._leave_when_ended)
        self._leaving = asker

    def _leave_when_ended(self) -> None:
        if self.session is not None and not self.session.alive:
            self.exit(CANCELLED)

    # A signal handler runs between any two lines, outside the app's own context: both of these only leave a message.

    def leave_soon(self, result: int) -> None:
        """Ends the screen; may be called from a signal handler."""
        if self._turning is not None:
            self._turning.call_soon_threadsafe(self.call_later, self.exit, result)

    def stop_soon(self) -> None:
        """Ends the screen once training, which was told to stop, has ended; may be called from a signal handler."""
        if self._turning is not None:
            self._turning.call_soon_threadsafe(self.call_later, self.stop, Asker.SIGNAL)

    def action_help(self) -> None:
        """Shows the keys that work here."""
        if not self.screen.is_modal:
            here = [getattr(place, "SECTION", "") for place in (self.focused, self.screen)]
            self.push_screen(HelpScreen([*filter(None, here), "everywhere"]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        here = {"embedding": EmbeddingScreen, "runs": RunsScreen}.get(action)
        return here is None or not isinstance(self.screen, here)

    def action_embedding(self) -> None:
        """Shows the embedding of the run, large; in a list, of the run that is chosen there."""
        screen = self.screen
        if isinstance(screen, EmbeddingScreen):
            return
        if isinstance(screen, LauncherScreen | RunsScreen):
            run = screen.chosen_run()
            if run is None:
                self.notify("There is no run to look at yet.", timeout=4)
            if run is None or not self.follow(run):
                return
        if self.session is not None:
            self.push_screen(EmbeddingScreen(self.session))

    def action_runs(self) -> None:
        """Shows all runs under the run directory."""
        if not isinstance(self.screen, RunsScreen):
            self.push_screen(RunsScreen(self.run_dir))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        told: set[str] = set()
        for node, binding, *_ in screen.active_bindings.values():
            # All that a key does here. Textual describes its own keys with a capital letter: to move and to scroll.
            if binding.action not in (*told, "command_palette") and binding.description[:1].islower():
                told.add(binding.action)
                name = binding.tooltip or binding.description
                run = partial(self.run_action, binding.action, node)
                yield SystemCommand(name[0].upper() + name[1:], f"key {self.get_key_display(binding)}", run)
        for theme in THEMES:
            name = theme.name
            yield SystemCommand(f"Theme {name.removeprefix('simo2-')}", "Colours", partial(self.use_theme, name))

    def use_theme(self, name: str) -> None:
        """Changes the colours."""
        self.theme = name
