"""The process that speaks to a service: `python -m simo2_core.track.child RUN_DIR SERVICE`, events on its input.

A service that is slow, gone or broken then costs training nothing, and neither does importing its client. It answers
in lines of JSON: `{"where": …}` when the run has begun there, `{"error": …}` when it gives up.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from simo2_core.events import Event
from simo2_core.events import from_line as read_event
from simo2_core.faults import fault_of
from simo2_core.run.directory import RunDirectory
from simo2_core.trackers.service import Service
from simo2_core.trackers.service import from_line as read_service


def tell(run: RunDirectory, service: Service, events: Iterable[Event], say: Callable[[str], None]) -> None:
    """Passes events on to the service as long as they come; raises what its client raises.

    Args:
        say: told where to look, once that is known.
    """
    tracker = service.open(run)
    said = ""
    try:
        for event in events:
            tracker.write(event)
            if tracker.where != said:
                said = tracker.where
                say(said)
    except BaseException:
        with contextlib.suppress(Exception):  # what kept it from going on is what is said
            tracker.close()
        raise
    tracker.close()


def main() -> int:
    """Returns the exit code."""
    os.nice(10)  # training comes first
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a client prints is no answer

    def answer(what: str, value: str) -> None:
        print(json.dumps({what: value}), file=answers, flush=True)

    try:
        run, service = RunDirectory.open(Path(sys.argv[1])), read_service(sys.argv[2])
        tell(run, service, map(read_event, sys.stdin), lambda where: answer("where", where))
    except Exception as error:  # whatever a client raises is told to a user in one line
        traceback.print_exc()  # into the run's log
        fault = fault_of(error)
        line = " ".join(str(error).split())[:300] or type(error).__name__
        answer("error", f"{fault.what} ({fault.where}); its traceback is in {run.log_path}." if fault else line)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
