"""The console: one app over three screens, one timer that draws what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen

from simo2_core.run.directory import RunDirectory
from simo2_core.trackers.service import Service
from simo2_tui.leaving import DETACHED, Leaving
from simo2_tui.opener import Opener
from simo2_tui.refresh import BUDGET, FASTEST, Refresh
from simo2_tui.screens.base import ConsoleScreen
from simo2_tui.screens.dialogs import HelpScreen
from simo2_tui.screens.embedding import EmbeddingScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.runs import RunsScreen
from simo2_tui.session.base import Session
from simo2_tui.themes import THEMES, themes_for

NAMED_KEYS = {"⏎": "Enter", "⌫": "Bksp", "← → ↑ ↓": "arrows"}
"""Keys whose signs are not of ASCII."""


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
        self.ascii_only = ascii_only
        self.no_color = self.no_color or not colour
        self._theme_name, self._name = theme, name
        self._stalled, self._gone = stalled, gone
        launcher = partial(LauncherScreen, preset, dict(overrides or {}))
        self.opener = Opener(self, run_dir, launcher, session=session, services=services, on_run=on_run)
        self.leaving = Leaving(self, lambda: self.session)
        self.refreshing = Refresh(budget, sent)
        self.animation_level = "none"

    @property
    def session(self) -> Session | None:
        """The run that is watched."""
        return self.opener.session

    def on_mount(self) -> None:
        self.leaving.begin()
        for theme in themes_for(self.console.color_system):
            self.register_theme(theme)
        self.theme = self._theme_name
        self.set_class(self.no_color, "-no-colour")
        self.opener.begin(self._name)
        self.set_timer(FASTEST, self._tick)

    def _tick(self) -> None:
        """Draws what is new, then sets the next look so that link and processor stay within their budgets."""
        if self._gone():
            self.exit(DETACHED)
            return
        if self._stalled():
            self.set_timer(FASTEST, self._tick)
            return
        self.opener.look_after()
        if not self.leaving.under_way:
            self.opener.tell_failure()
        if not self.screen_stack:
            return  # the app is closing
        if isinstance(self.screen, ConsoleScreen):
            self.screen.poll()
        self.set_timer(self.refreshing.wait(tell=self.session is not None), self._tick)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Shows a message as it is written, whatever brackets are in a path or an error."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    async def action_quit(self) -> None:
        """Leaves; asks first about a run that is trained here."""
        self.leaving.quit()

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
            if run is None or not self.opener.follow(run):
                return
        if self.session is not None:
            self.push_screen(EmbeddingScreen(self.session))

    def action_runs(self) -> None:
        """Shows all runs under the run directory."""
        if not isinstance(self.screen, RunsScreen):
            self.push_screen(RunsScreen(self.run_dir))

    def get_key_display(self, binding: Binding) -> str:
        """What a key is called: by its name where its sign cannot be drawn."""
        shown = super().get_key_display(binding)
        return NAMED_KEYS.get(shown, shown) if self.ascii_only else shown

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
