"""From a run to the services that follow it, so that none of them can slow or stop it.

Events go into a bounded queue and from there, by a thread, to a child process for each service. A service that fails,
or falls too far behind, is one warning; the run's folder has everything, so `simo2 log` can tell it again.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from simo2_core.child import child_environment, module_command, read_answer
from simo2_core.events import Event, RunFinished, WarningRaised
from simo2_core.faults import told
from simo2_core.run.contained import open_to_append
from simo2_core.run.directory import RunDirectory
from simo2_core.trackers.service import Service

WAITING_EVENTS = 20_000
"""Events that may wait for a service: over an hour of training, some 100 MB."""

CLOSE_SECONDS = 20.0
"""How long the end of a run waits for the services; they then go on by themselves."""


class Outlet:
    """One service: a queue, a thread, a process."""

    def __init__(self, run: RunDirectory, service: Service, *, waiting: int = WAITING_EVENTS) -> None:
        """Starts the process; one that cannot start is told by `problem`, like any other failure."""
        self.service = service
        self.where = ""
        self._run = run
        self._error = ""
        self._told = False
        self._dropped = 0
        self._queue: queue.Queue[Event | None] = queue.Queue(waiting)
        self._child: subprocess.Popen[str] | None = None
        try:
            self.service = service.of_run(run)
            line = self.service.to_line()
        except Exception as error:  # a stranger's may raise anything, and a run is not to end for it
            self.service, self._error = service, f"{told(error)}."
            return
        try:
            with open_to_append(run.log_path) as log:
                self._child = subprocess.Popen(
                    module_command("simo2_core.track.child", str(run.path), line),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    encoding="utf-8",
                    errors="replace",
                    env=child_environment(),
                    start_new_session=True,  # Ctrl+C is for the trainer, which still has its last events to tell
                )
        except OSError as error:
            self._error = f"its process did not start: {error}"
            return
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._listen)]
        for thread in self._threads:
            thread.start()

    def write(self, event: Event) -> None:
        """Takes an event; never waits."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._dropped += 1

    def problem(self) -> str | None:
        """What went wrong, once: the service gave up, or fell so far behind that events were left out."""
        if self._told or not (self._error or self._dropped):
            return None
        self._told = True
        return self._error or f"it is too slow: {WAITING_EVENTS:,} events wait, and later ones are left out"

    def cure(self) -> str:
        """How to tell the whole run after all."""
        return f"Training goes on. Tell it later with: {self._again}"

    @property
    def _again(self) -> str:
        try:
            replay = self.service.replay
        except Exception:  # as above
            replay = f"--tracker {self.service.name}"
        return f"simo2 log {self._run.path} {replay}"

    def _send(self) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        with contextlib.suppress(OSError), self._child.stdin as pipe:  # gone: `_listen` says why
            while (event := self._queue.get()) is not None:
                pipe.write(event.to_line() + "\n")
                if self._queue.empty():
                    pipe.flush()

    def _listen(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        error = ""
        with self._child.stdout as answers:
            for line in answers:
                answer = read_answer(line)
                self.where, error = str(answer.get("where", self.where)), str(answer.get("error", error))
        if self._child.wait() and not self._error:
            self._error = error or f"its process ended with {self._child.returncode}; see {self._run.log_path}"

    def finish(self, deadline: float) -> str:
        """Lets the service end, until `deadline` (`time.monotonic`) at most; says how it ended in a line."""
        name = self.service.name
        again = self._again
        if self._child is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=max(0.0, deadline - time.monotonic()))
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            sending, ending = (thread.is_alive() for thread in self._threads)
            if ending and not sending:  # the process has everything, and goes on without this one
                return f"{name} is still sending, in process {self._child.pid}. {self.where}".rstrip()
            if sending and not self._error:
                self._error = "it is too slow: not everything was told."
        if self._error:
            return f"{name}: {self._error} Tell it again with: {again}"
        left_out = f" ({self._dropped:,} events were left out; all of them: {again})" if self._dropped else ""
        return f"{name}: {self.where or 'told'}{left_out}"


class Tracking:
    """All services of a run: a context manager around it."""

    def __init__(self, run: RunDirectory, services: Sequence[Service], say: Callable[[str], None]) -> None:
        """Starts nothing yet. `say` gets a line for each service at the end."""
        self._run, self._services, self._say = run, services, say
        self._outlets: list[Outlet] = []

    def __enter__(self) -> Self:
        self._outlets = [Outlet(self._run, service) for service in self._services]
        return self

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Passes events on after telling the services; a service that fails adds one WarningRaised."""
        for event in events:
            for outlet in self._outlets:
                outlet.write(event)
            yield event
            if isinstance(event, RunFinished):
                continue  # the last event of a run stays the last
            for outlet in self._outlets:
                if problem := outlet.problem():
                    message = f"{outlet.service.name}: {problem.rstrip('.')}."
                    yield WarningRaised(step=event.step, code="tracking", message=message, cure=outlet.cure())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + CLOSE_SECONDS
        for outlet in self._outlets:
            self._say(outlet.finish(deadline))
