"""From the command line to the screen and back: signals, the terminal, and what happens when the screen has gone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from simo2_core.commands import Asker, Command, Reason, Requester
from simo2_core.errors import RunError, Simo2Error
from simo2_core.first_settings import first_settings
from simo2_core.pretrained.place import is_pretrained
from simo2_core.run.control import heeded
from simo2_core.run.directory import RunDirectory, find_run, require_name
from simo2_core.trackers.service import Service
from simo2_tui.app import Console
from simo2_tui.ending import end_at_once_if_busy
from simo2_tui.foreground import split, stay_behind
from simo2_tui.leaving import CANCELLED, DETACHED, LEFT
from simo2_tui.plain_lines import print_visible
from simo2_tui.refresh import BUDGET
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.live import LiveSession
from simo2_tui.terminal import Link, driver_for, let_go, needs_ascii, require_terminal, shows_colour, stray_output


def run_console(
    preset: str | None,
    overrides: Mapping[str, Any],
    run_dir: Path,
    *,
    name: str | None = None,
    services: Sequence[Service] = (),
    ascii_only: bool | None = None,
    theme: str = "simo2-dark",
    budget: int = BUDGET,
) -> int:
    """Shows the launcher with `preset` chosen, trains what is started there, and returns the exit code.

    Returns when the screen has gone and training has ended. Detaching ends the foreground process at once; the
    training process goes on.

    Args:
        overrides: settings by name, as `Config.replace` takes them.
        services: told of every run that is trained here.
        ascii_only: draw in ASCII; by default where the terminal or its locale shows nothing else.
        budget: bytes a second that the screen may send over the link.

    Raises:
        ConfigError: no terminal to draw on, no such preset, or a setting or a name that cannot work.
        RunError: there is no run whose weights are to be taken.
    """
    require_terminal()
    first_settings(preset, overrides, look=False)
    if name is not None:
        require_name(name)
    if overrides.get("init") is not None and not is_pretrained(overrides["init"]):
        find_run(overrides["init"], run_dir)
    code = split()
    if code is not None:
        return code
    options = {"preset": preset, "overrides": overrides, "name": name, "services": services}
    return _show(run_dir, ascii_only=ascii_only, theme=theme, budget=budget, **options)


def attach_console(
    run: RunDirectory,
    read_only: bool = False,
    *,
    ascii_only: bool | None = None,
    theme: str = "simo2-dark",
    budget: int = BUDGET,
) -> int:
    """Watches a run of another process, or replays one that has ended; leaving it leaves the run alone.

    Raises:
        ConfigError: no terminal to draw on.
        RunError: the run's folder is damaged.
    """
    require_terminal()
    session = FollowSession(run, read_only=read_only)
    code = split()  # a run that has ended can be gone on with here, and detached from
    if code is not None:
        return code
    session.start()
    # A finished run opens complete, a long one within a second; what is still to be read follows on the screen.
    session.wait_until_read(1.0)
    return _show(run.path.parent, session=session, ascii_only=ascii_only, theme=theme, budget=budget)


def _show(run_dir: Path, *, ascii_only: bool | None, **options: Any) -> int:
    ascii_only = needs_ascii(os.environ) if ascii_only is None else ascii_only
    colour = shows_colour(os.environ)
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # an empty one says nothing, and Textual would heed it
    # Textual turns colours into greys for NO_COLOR (no-color.org); whoever sets it wants no codes of colours at all.
    link = Link(1, ascii_only=ascii_only, colour=colour)
    with stray_output() as stray:
        app = Console(
            run_dir,
            ascii_only=ascii_only,
            colour=colour,
            sent=lambda: link.sent,
            stalled=lambda: link.waiting,
            gone=lambda: link.gone,
            on_run=lambda run: stray.send_to(run.log_path),
            driver=driver_for(link),
            **options,
        )
        with _signals(app, link):
            # Without mouse reports the terminal's own selection works, and a moving mouse costs the link nothing.
            result = app.run(mouse=False)
        session, hung_up = app.session, link.gone
        crashed = result is None and not hung_up
        if isinstance(session, LiveSession) and session.alive:
            return _go_on(session, hung_up=hung_up, crashed=crashed, detached=result == DETACHED, stray=stray)
    if session is None or not isinstance(session, LiveSession):
        return 1 if crashed else CANCELLED if result == CANCELLED else LEFT
    return _end(session, quiet=hung_up)


@contextlib.contextmanager
def _signals(app: Console, link: Link) -> Iterator[None]:
    """Hang-up: the screen goes, training stays. Every other stop: save a checkpoint, restore the terminal.

    Those that were ignored when simo2 began stay so. Handlers of `signal`, not of the event loop: the loop does not
    turn while the terminal takes nothing.
    """

    def hang_up(number: int, frame: FrameType | None) -> None:
        link.give_up()
        let_go()
        app.leaving.leave_soon(DETACHED)

    def terminate(number: int, frame: FrameType | None) -> None:
        link.hurry()
        if isinstance(app.session, LiveSession) and app.session.alive:
            app.session.command(Command.STOP, Requester(Asker.SIGNAL, signal.Signals(number).name))
        app.leaving.stop_soon()

    of_jobs = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)}
    before = {number: signal.signal(number, hang_up if number == signal.SIGHUP else terminate) for number in heeded()}
    try:
        yield
    finally:
        # Textual leaves handlers of the latter that would try to bring its screen back.
        for number, usual in (before | of_jobs).items():
            signal.signal(number, usual)


def _go_on(session: LiveSession, *, hung_up: bool, crashed: bool, detached: bool, stray: Any) -> int:
    """Trains on without a screen, until the end."""
    run = session.run
    assert run is not None

    def stop(number: int, frame: FrameType | None) -> None:
        session.command(Command.STOP, Requester(Asker.SIGNAL, signal.Signals(number).name))

    for number in heeded():
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else stop)
    if not hung_up:
        if crashed:
            print_visible(f"The screen failed (see {run.log_path}); training goes on.")
        print_visible(f"Training goes on without a screen in process {os.getpid()}: {run.path}")
        print_visible(f"  watch and steer it: simo2 attach {run.path}")
        print_visible(f"  stop it, with a checkpoint: kill {os.getpid()}")
    if detached or hung_up:
        if detached:
            let_go()
        with contextlib.suppress(OSError):
            stay_behind()
    session.join()
    if not (detached or hung_up):
        stray.restore()
    return _end(session, quiet=detached or hung_up)


def _end(session: LiveSession, *, quiet: bool) -> int:
    """Waits for the thread, says how the run ended, and returns the exit code."""
    session.join()
    run, history, error = session.run, session.history, session.error
    assert run is not None
    reason = history.finished.reason if history.finished else Reason.FAILED
    if not quiet:
        if error is not None:
            print_visible(
                f"simo2: {error}" if isinstance(error, Simo2Error) else f"simo2: {error!r}; see {run.log_path}"
            )
        else:
            print_visible(f"{reason} at step {history.step:,}: {run.path}")
        if history.test is not None:
            test = history.test
            print_visible(f"  test kNN@20 {test.knn_representation:.2%} (raw pixels {test.knn_raw_pixels:.2%})")
        if history.checkpoints:
            print_visible(f"  checkpoint: {run.path / history.checkpoints[-1].path}")
            print_visible(f"  next: simo2 plot {run.path}")
        if reason.early:
            print_visible(f"  {'continue' if history.checkpoints else 'begin again'}: simo2 resume {run.path}")
        for line in session.last_words:
            print_visible(f"  {line}")
    if error is not None:
        code = error.exit_code if isinstance(error, Simo2Error) else RunError.exit_code
    else:
        code = reason.exit_code
    end_at_once_if_busy(code)
    return code
