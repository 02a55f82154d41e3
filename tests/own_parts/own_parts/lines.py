"""One line of text for each event of a run."""

from dataclasses import dataclass
from pathlib import Path

from simo2_core.settings import setting
from simo2_core.trackers.service import Service
from simo2_core.trackers.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class Lines(Service):
    """Appends to a file in the run's folder."""

    summary = "lines of text"

    file: str = setting("lines.txt", "name of the file")

    def open(self, run):
        return Appending(run.path / self.file)


class Appending(Tracker):
    def __init__(self, path: Path):
        self.where, self.path = str(path), path

    def write(self, event):
        with self.path.open("a") as file:
            file.write(f"{event.step} {event.kind}\n")

    def close(self):
        self.path.touch()
