"""The `simo2` script: whatever ends the process early ends it in one line, from the first import on."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from types import FrameType

_TRAIN = ("train", "resume", "finetune", "compare", "tui", "attach")
"""Commands whose result is a run: what they print is in its folder as well."""


def main() -> None:
    """Runs the command line, in which every signal that asks to stop does what Ctrl+C does.

    Commands that train, and the console, mind the signals themselves and save first.
    """
    _leave_working_directory()
    from simo2_tui.output import install

    install()
    try:
        from simo2_core.run.control import STOP_SIGNALS

        for number in STOP_SIGNALS:
            if signal.getsignal(number) == signal.SIG_DFL:  # `nohup` has it that a hang-up is ignored
                signal.signal(number, _interrupt)
        _take_parts()
        from simo2_core.parts import problems
        from simo2_tui.cli.main import app
        from simo2_tui.plain_lines import print_visible

        for problem in problems.values():
            print_visible(f"simo2: {problem} It is left out.", error=True)
        app()
    except KeyboardInterrupt:
        from simo2_core.errors import INTERRUPTED

        print("simo2: interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        _own_up(end)
        raise


def _take_parts() -> None:
    """Reads the code that the command line names: the settings that it brings are options as well."""
    from simo2_core.errors import Simo2Error
    from simo2_tui.cli.own_parts import take_parts
    from simo2_tui.plain_lines import print_visible

    try:
        sys.argv[1:] = take_parts(sys.argv[1:])
    except Simo2Error as error:
        if "--debug" in sys.argv:
            raise
        print_visible(f"simo2: {error}", error=True)
        sys.exit(error.exit_code)


def _leave_working_directory() -> None:
    """Keeps a user's own `random.py` or `select.py` from being imported in place of Python's: `python -m` adds it."""
    if sys.flags.safe_path or not sys.path:
        return
    with contextlib.suppress(OSError):  # the folder is gone, and nothing can be imported from it
        here = str(Path.cwd())
        if sys.path[0] in ("", here) and here != str(Path(__file__).parents[1]):
            del sys.path[0]


def _own_up(end: SystemExit) -> None:
    """Says that standard output did not take what was said, which fails a command that gives nothing else."""
    from simo2_tui.output import refusal
    from simo2_tui.plain_lines import print_visible

    why = refusal()
    if why is None:
        return
    print_visible(f"simo2: what was said on standard output is not complete: {why.strerror or why}.", error=True)
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if not end.code and command not in _TRAIN:
        end.code = 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    main()
