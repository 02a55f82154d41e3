"""A run as Weights & Biases shows it, through its own client."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from typing import Any

import wandb

from simo2_core.commands import Reason
from simo2_core.events import CheckpointSaved, Evaluated, Event, PlotSaved, RunFinished, RunStarted, WarningRaised
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import write_whole
from simo2_core.trackers.series import series, settings
from simo2_core.trackers.tracker import Tracker


class WandbTracker(Tracker):
    """One run there, which a resumed run here goes on with."""

    def __init__(
        self, run: RunDirectory, *, mode: str | None, project: str, tags: Sequence[str], checkpoints: bool, new: bool
    ) -> None:
        """Begins nothing before the first `RunStarted`, when the run's `config.json` is complete.

        Args:
            mode: online or offline; None as wandb is set up.
            checkpoints: whether they are uploaded.
            new: begin a run there that is not gone on with.
        """
        self._run, self._mode, self._project, self._tags = run, mode, project, list(tags)
        self._checkpoints, self._new = checkpoints, new
        self._there: Any = None
        self._reason: Reason | None = None

    def write(self, event: Event) -> None:
        if isinstance(event, RunStarted) and self._there is None:
            self._begin(event)
        if self._there is None:
            return
        for step, row in series(event):
            # `step` is logged as a number like any other: wandb's own step may never go back, as a rollback does
            self._there.log({"step": step, **row})
        match event:
            case Evaluated(split="test"):
                self._there.summary.update(next(row for _, row in series(event)))
            case PlotSaved():
                path = self._run.path / event.path
                if path.exists():
                    self._there.log({"step": event.step, f"plots/{path.stem}": wandb.Image(str(path))})
            case CheckpointSaved() if self._checkpoints:
                self._upload(event)
            case WarningRaised():
                self._there.summary[f"warnings/{event.code}"] = f"step {event.step}: {event.message}"
            case RunFinished():
                self._reason = event.reason
                self._there.summary.update({"reason": str(event.reason), "seconds": event.seconds})
            case _:
                pass

    def _begin(self, event: RunStarted) -> None:
        offline = (self._mode or os.environ.get("WANDB_MODE")) == "offline"
        known = self._run.path / "wandb" / "simo2-run-id"
        told_before = known.exists() and not self._new
        id = known.read_text().strip() if told_before else secrets.token_hex(4)
        config = self._run.config
        self._there = wandb.init(
            project=self._project,
            name=self._run.name,
            id=id,
            resume="allow" if told_before and not offline else None,
            tags=self._tags or None,
            mode=self._mode,
            dir=str(self._run.path),
            config=settings(config) | {"facts": self._run.facts, "parameters": event.parameters},
            settings=wandb.Settings(silent=True, console="off", disable_code=True),
        )
        if not self._new:
            known.parent.mkdir(exist_ok=True)
            write_whole(known, id.encode())
        self._there.define_metric("step", hidden=True)
        self._there.define_metric("*", step_metric="step")
        url = None if self._there.offline else self._there.url  # offline it would print a warning that it has none
        self.where = url or f"wandb sync {os.path.dirname(self._there.dir)}"  # noqa: PTH120

    def _upload(self, event: CheckpointSaved) -> None:
        folder = self._run.path / event.path
        if not folder.exists():
            return  # only the newest few are kept, and a replay comes late
        name = re.sub(r"[^\w.-]", "-", self._run.name)
        artifact = wandb.Artifact(f"{name}-checkpoint", type="model", metadata={"step": event.step})
        artifact.add_dir(str(folder))
        self._there.log_artifact(artifact, aliases=["latest", f"step-{event.step}", *(["best"] if event.best else [])])

    def close(self) -> None:
        if self._there is not None:
            self._there.finish(exit_code=0 if self._reason is not None and self._reason.done else 1)
