"""`simo2 log`: tells a run to a tracking service later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simo2_core.errors import ConfigError, Simo2Error
from simo2_core.faults import part_error
from simo2_core.trackers.service import Service, choose_service
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, path_option
from simo2_tui.cli.tracking import (
    TrackerOption,
    WandbCheckpoints,
    WandbMode,
    WandbProject,
    WandbTags,
    tensorboard_service,
    wandb_service,
)
from simo2_tui.plain_lines import print_visible


def log_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: a name, a path, or latest.")],
    wandb: Annotated[bool, typer.Option("--wandb", help="Tell it to Weights & Biases, as a new run there.")] = False,
    wandb_mode: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_tags: WandbTags = None,
    wandb_checkpoints: WandbCheckpoints = False,
    tensorboard: Annotated[
        Path | None, path_option("--tensorboard", "Write TensorBoard files into DIR/NAME.", metavar="DIR")
    ] = None,
    tracker: TrackerOption = None,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Tell a run to Weights & Biases, TensorBoard or another service, from its folder, as if it happened now.

    Losses, evaluations, warnings and pictures, at the steps and times at which they came.
    """
    services = wandb_service(wandb, wandb_mode, wandb_project, wandb_tags, wandb_checkpoints, new=True)
    services += map(choose_service, tracker or ())
    from simo2_core.run.directory import find_run
    from simo2_core.run.files import require_place
    from simo2_core.track.child import tell

    found = find_run(run, run_dir)
    if tensorboard is not None:
        require_place(tensorboard / found.name, folder=True, option="--tensorboard")
        if any((tensorboard / found.name).glob("*tfevents*")):
            raise ConfigError(
                f"{tensorboard / found.name} holds event files already. Choose another DIR, or delete it."
            )
        services.append(tensorboard_service(tensorboard / found.name))
    if not services:
        raise ConfigError("nothing to tell the run to is given; add --wandb, --tensorboard DIR or --tracker NAME.")
    events = list(found.events())
    if not events:
        raise ConfigError(f"{found.path} has logged nothing yet. Let it train first.")
    told: dict[str, str] = {}
    for service in [service.of_run(found) for service in services]:
        told[service.name] = ""
        try:
            tell(found, service, events, lambda where, name=service.name: told.update({name: where}))  # type: ignore[misc]
        except Simo2Error:
            raise
        except Exception as error:  # whatever a client raises, from a refused key to a network that is gone
            raise part_error(error) or ServiceError(service, error) from error
        if as_json:
            print(json.dumps({"event": "told", "service": service.name, "where": told[service.name]}), flush=True)
        else:
            print_visible(f"{service.name}: {len(events):,} events told. {told[service.name]}".rstrip())
    if as_json:
        print(json.dumps({"run": str(found.path), "events": len(events), "told": told}))


class ServiceError(Simo2Error):
    """A tracking service that refused or could not be reached."""

    def __init__(self, service: Service, error: Exception) -> None:
        line = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        super().__init__(f"{service.name}: {line}. {service.at_fault}")
