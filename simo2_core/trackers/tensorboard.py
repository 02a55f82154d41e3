"""TensorBoard's event files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.paths import user_path
from simo2_core.settings import setting
from simo2_core.trackers.service import Service

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory
    from simo2_core.trackers.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class Tensorboard(Service):
    """Files in a folder; TensorBoard names a run by it."""

    name = "tensorboard"
    summary = "TensorBoard files"
    client = "tensorboard"
    at_fault = "Try another folder."

    folder: str | None = setting(None, "where the files go; by default the run's own folder")

    @property
    def replay(self) -> str:
        return f"--tensorboard {self.folder}"

    def of_run(self, run: RunDirectory) -> Tensorboard:
        return self if self.folder is not None else Tensorboard(folder=str(run.path / self.name))

    def open(self, run: RunDirectory) -> Tracker:
        from simo2_core.trackers.clients.to_tensorboard import TensorboardTracker

        folder = self.of_run(run).folder
        assert folder is not None
        return TensorboardTracker(run, user_path(folder))
