"""The `simo2` script: whatever ends the process early ends it in one line, from the first import on."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from simo2_core.errors import INTERRUPTED


def main() -> None:
    """Runs the command line, in which every signal that asks to stop does what Ctrl+C does.

    Commands that train, and the console, mind the signals themselves and save first.
    """
    try:
        from simo2_core.run.control import STOP_SIGNALS
        from simo2_tui.cli.main import app

        for number in STOP_SIGNALS:
            if signal.getsignal(number) == signal.SIG_DFL:  # `nohup` has it that a hang-up is ignored
                signal.signal(number, _interrupt)
        app()
    except KeyboardInterrupt:
        print("simo2: interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    main()
