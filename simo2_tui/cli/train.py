"""`simo2 train`: a run without the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from simo2_core.errors import ConfigError
from simo2_core.trackers.service import Service
from simo2_tui.cli.distributed import (
    CoordinatorOption,
    DistributedOption,
    Place,
    ProcessesOption,
    ProcessIdOption,
    train_together,
)
from simo2_tui.cli.headless import run_training
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, resolve, with_settings
from simo2_tui.cli.resume import find_resumable
from simo2_tui.cli.tracking import with_tracking


def _train(
    *,
    preset: Annotated[
        str | None, typer.Option(help="The data set and settings to begin with: see simo2 presets. [default: digits]")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Continue a run (latest, a name or a path) from its newest checkpoint."),
    ] = None,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder; by default preset and time.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="One line per log interval; the default when piped.")] = False,
    as_json: JsonOption = False,
    distributed: DistributedOption = False,
    coordinator: CoordinatorOption = None,
    processes: ProcessesOption = None,
    process_id: ProcessIdOption = None,
    services: Sequence[Service],
    settings: Mapping[str, Any],
) -> None:
    """Train an encoder: `simo2 train --preset digits`.

    Ctrl+C keeps a checkpoint and ends with exit code 130; a second Ctrl+C leaves at once.
    """
    if plain and as_json:
        raise ConfigError("--plain and --json are given together; choose one of them.")
    if resume and name is not None:
        raise ConfigError("--name is given with --resume; a resumed run keeps its name.")
    if resume and preset is not None:
        raise ConfigError("--preset is given with --resume; a resumed run keeps its settings, but for those given.")
    place = Place(coordinator, processes, process_id)
    if place.given and not distributed:
        raise ConfigError("--coordinator, --processes and --process-id are for --distributed, which is not given.")

    def run_it() -> None:
        config, run = (
            find_resumable(resume, run_dir, settings) if resume is not None else (resolve(preset, settings), None)
        )
        run_training(config, run, run_dir=run_dir, name=name, plain=plain, as_json=as_json, services=services)

    if distributed:
        train_together(place, run_it, as_json=as_json)
    else:
        run_it()


train_command = with_settings(with_tracking(_train))
