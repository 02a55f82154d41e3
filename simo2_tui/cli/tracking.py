"""The options that tell a run to Weights & Biases or TensorBoard, for every command that trains."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.errors import ConfigError

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory
    from simo2_core.track.outlet import Tracking
    from simo2_core.track.service import Service

Begin = Callable[["RunDirectory"], "Tracking"]
"""Makes the context manager in which a run is told to the services asked for."""

_PANEL = "Tracking"

WandbMode = Annotated[
    str | None,
    typer.Option(rich_help_panel=_PANEL, metavar="MODE", help="online or offline; by default as wandb is set up."),
]
WandbProject = Annotated[
    str | None, typer.Option(rich_help_panel=_PANEL, metavar="NAME", help="The project there. [default: simo2]")
]
WandbTags = Annotated[
    str | None, typer.Option(rich_help_panel=_PANEL, metavar="TAGS", help="Tags of the run, comma separated.")
]
WandbCheckpoints = Annotated[
    bool, typer.Option("--wandb-checkpoints", rich_help_panel=_PANEL, help="Upload checkpoints as artifacts.")
]


def wandb_service(
    asked: bool, mode: str | None, project: str | None, tags: str | None, checkpoints: bool, *, new: bool = False
) -> list[Service]:
    """What the `--wandb…` options ask for: one service, or none.

    Raises:
        ConfigError: one of them is given without --wandb, a mode that does not exist, or wandb is not installed.
    """
    if not asked:
        if mode or project or tags or checkpoints:
            raise ConfigError("an option of --wandb is given without --wandb; add it.")
        return []
    from simo2_core.track.service import Wandb

    names = tuple(tag.strip() for tag in (tags or "").split(",") if tag.strip())
    service = Wandb(
        mode=mode, project="simo2" if project is None else project, tags=names, checkpoints=checkpoints, new=new
    )
    service.check()
    return [service]


def tensorboard_service(folder: Path) -> Service:
    """TensorBoard files in `folder`; raises ConfigError when the tensorboard package is not installed."""
    from simo2_core.track.service import Tensorboard

    service = Tensorboard(folder=folder)
    service.check()
    return service


def _begin(
    *,
    wandb: Annotated[
        bool, typer.Option("--wandb", rich_help_panel=_PANEL, help="Tell the run to Weights & Biases.")
    ] = False,
    wandb_mode: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_tags: WandbTags = None,
    wandb_checkpoints: WandbCheckpoints = False,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", rich_help_panel=_PANEL, help="Write TensorBoard files into the run's folder."),
    ] = False,
) -> Begin:
    asked = wandb_service(wandb, wandb_mode, wandb_project, wandb_tags, wandb_checkpoints)
    if tensorboard:
        asked = [*asked, tensorboard_service(Path())]  # refused now, before the run has a folder

    def begin(run: RunDirectory) -> Tracking:
        from simo2_core.track.outlet import Tracking
        from simo2_core.track.service import Tensorboard

        services = [
            Tensorboard(folder=run.path / "tensorboard") if isinstance(service, Tensorboard) else service
            for service in asked
        ]
        return Tracking(run, services, lambda line: print(f"simo2: {line}", file=sys.stderr))

    return begin


def with_tracking(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a Typer command the tracking options; its `tracking` argument gets a `Begin`."""
    offered = inspect.signature(_begin, eval_str=True).parameters

    def wrapped(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in offered}
        command(**arguments, tracking=_begin(**given))

    own = inspect.signature(command, eval_str=True)
    kept = [parameter for name, parameter in own.parameters.items() if name != "tracking"]
    at = next((i for i, parameter in enumerate(kept) if parameter.name == "settings"), len(kept))
    kept[at:at] = offered.values()
    wrapped.__signature__ = own.replace(parameters=kept)  # type: ignore[attr-defined]
    wrapped.__doc__ = command.__doc__
    return wrapped
