"""The options that tell a run to Weights & Biases or TensorBoard, for every command that trains."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from simo2_core.errors import ConfigError
from simo2_core.trackers.service import Service, choose_service
from simo2_core.trackers.tensorboard import Tensorboard
from simo2_core.trackers.wandb import Wandb

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
TrackerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        "--track",
        rich_help_panel=_PANEL,
        metavar="NAME",
        help="Tell another service, as often as given: an installed one or FILE.py:CLASS, with settings as in "
        "mine.py:Lines:path=x.",
    ),
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
    service = Wandb(
        mode=mode, project="simo2" if project is None else project, tags=tags or "", checkpoints=checkpoints, new=new
    )
    service.require_client()
    return [service]


def tensorboard_service(folder: Path | None = None) -> Service:
    """TensorBoard files in `folder`, or the run's own; raises ConfigError when the package is not installed."""
    service = Tensorboard(folder=None if folder is None else str(folder))
    service.require_client()
    return service


def _services(
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
    tracker: TrackerOption = None,
) -> Sequence[Service]:
    asked = wandb_service(wandb, wandb_mode, wandb_project, wandb_tags, wandb_checkpoints)
    asked += [tensorboard_service()] if tensorboard else []
    return [*asked, *map(choose_service, tracker or ())]


def with_tracking(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a Typer command the tracking options; its `services` argument gets what they ask for."""
    offered = inspect.signature(_services, eval_str=True).parameters

    def wrapped(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in offered}
        command(**arguments, services=_services(**given))

    own = inspect.signature(command, eval_str=True)
    kept = [parameter for name, parameter in own.parameters.items() if name != "services"]
    at = next((i for i, parameter in enumerate(kept) if parameter.name == "settings"), len(kept))
    kept[at:at] = offered.values()
    wrapped.__signature__ = own.replace(parameters=kept)  # type: ignore[attr-defined]
    wrapped.__doc__ = command.__doc__
    return wrapped
