"""Services that a run can be told to: which, how, and whether they are installed. Imports none of them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from simo2_core.errors import ConfigError

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory

WANDB_MODES = ("online", "offline")


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a user asked for. It can be passed to another process as one line of text."""

    name: ClassVar[str]
    """Of the service, of the package that speaks to it, of the extra that installs it and of the option."""

    @property
    def replay(self) -> str:
        """The option of `simo2 log` that tells a run to this service later."""
        return f"--{self.name}"

    def of_run(self, run: RunDirectory) -> Service:
        """The service as that of one run: what it leaves to the run is filled in."""
        return self

    def check(self) -> None:
        """Raises ConfigError when the service's client is not installed, without importing it."""
        if importlib.util.find_spec(self.name) is None:
            raise ConfigError(f"{self.name} is not installed. Install it with: pip install 'simo2[{self.name}]'.")

    def to_line(self) -> str:
        """The service as one line of JSON; `from_line` reads it."""
        return json.dumps({"service": self.name, **asdict(self)}, default=str)


@dataclass(frozen=True, kw_only=True)
class Wandb(Service):
    """Weights & Biases."""

    name = "wandb"
    mode: str | None = None
    """`online`, `offline`, or None for what the user's own wandb settings say."""
    project: str = "simo2"
    tags: tuple[str, ...] = ()
    checkpoints: bool = False
    """Whether checkpoints are uploaded as artifacts."""
    new: bool = False
    """Whether to begin a new run there though this one was told before: for a replay."""

    def __post_init__(self) -> None:
        if self.mode not in (None, *WANDB_MODES):
            raise ConfigError(f"wandb_mode is {self.mode!r}; it must be one of {', '.join(WANDB_MODES)}.")
        if not self.project.strip():
            raise ConfigError("wandb_project is empty; it must be a name.")


@dataclass(frozen=True, kw_only=True)
class Tensorboard(Service):
    """TensorBoard's event files."""

    name = "tensorboard"
    folder: Path | None = None
    """Where the files go, by default into the run's own folder; TensorBoard names a run by its folder."""

    def of_run(self, run: RunDirectory) -> Tensorboard:
        return self if self.folder is not None else Tensorboard(folder=run.path / self.name)

    @property
    def replay(self) -> str:
        return f"--{self.name} {self.folder}"


def from_line(line: str) -> Service:
    """Reads what `Service.to_line` gave."""
    data: dict[str, Any] = json.loads(line)
    if data.pop("service") == Wandb.name:
        return Wandb(**{**data, "tags": tuple(data["tags"])})
    return Tensorboard(folder=Path(data["folder"]))
