"""Weights & Biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.bounds import shown
from simo2_core.errors import ConfigError
from simo2_core.settings import setting
from simo2_core.trackers.service import Service

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory
    from simo2_core.trackers.tracker import Tracker

MODES = ("online", "offline")


@dataclass(frozen=True, kw_only=True)
class Wandb(Service):
    """A run there for each run here, which a resumed one goes on with."""

    name = "wandb"
    summary = "Weights & Biases"
    client = "wandb"
    at_fault = "Try again later, or use --wandb-mode offline."

    mode: str | None = setting(None, "online or offline; by default as wandb is set up")
    project: str = setting("simo2", "the project there")
    tags: str = setting("", "tags of the run, comma separated")
    checkpoints: bool = setting(False, "upload checkpoints as artifacts")
    new: bool = setting(False, "begin a new run there though this one was told before: for a replay")

    def check(self) -> None:
        if self.mode not in (None, *MODES):
            raise ConfigError(f"wandb_mode is {self.mode!r}; it must be one of {', '.join(MODES)}.")
        unfit = not self.project.strip() or len(self.project) > 128 or not self.project.isprintable()
        if unfit or set(self.project) & set("/\\#?%:"):
            raise ConfigError(
                f"wandb_project is {shown(self.project)}; W&B takes names of up to 128 characters without / \\ # ? % :."
            )
        for tag in self.each_tag:
            if len(tag) > 64 or not tag.isprintable():
                raise ConfigError(f"wandb_tags has {shown(tag)}; W&B takes tags of up to 64 characters that show.")

    @property
    def replay(self) -> str:
        return "--wandb"

    @property
    def each_tag(self) -> list[str]:
        """The tags, without the spaces around them."""
        return [tag.strip() for tag in self.tags.split(",") if tag.strip()]

    def open(self, run: RunDirectory) -> Tracker:
        from simo2_core.trackers.clients.to_wandb import WandbTracker

        return WandbTracker(
            run, mode=self.mode, project=self.project, tags=self.each_tag, checkpoints=self.checkpoints, new=self.new
        )
