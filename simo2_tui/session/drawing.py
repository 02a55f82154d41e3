"""The pictures of a run that nobody trains, drawn in a process of their own: matplotlib takes seconds."""

from __future__ import annotations

import subprocess

from simo2_core.child import child_environment, last_words, module_command, scratch_file
from simo2_core.run.directory import RunDirectory


class DrawingJob:
    """Starts at once; `done` says when `result` is there."""

    def __init__(self, run: RunDirectory) -> None:
        """Draws into the run's `plots/`."""
        self.reason = ""
        self._said = scratch_file()
        self._process = subprocess.Popen(
            module_command("simo2_core.analysis.render", str(run.path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            env=child_environment(MPLBACKEND="Agg"),
        )

    @property
    def done(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def result(self) -> list[str]:
        """What the process said of each picture that it drew; none when it failed: then `reason` says why."""
        out, _ = self._process.communicate()
        self.reason = last_words(self._said) or f"exit code {self._process.returncode}"
        self._said.close()
        return out.splitlines()

    def cancel(self) -> None:
        """Ends the process, and waits for its end."""
        self._process.kill()
        self._process.communicate()
        self._said.close()
