"""`simo2 resume`: a run goes on from its newest sound checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.errors import ConfigError, NewerFormatError, RunError
from simo2_core.trackers.service import Service
from simo2_tui.cli.headless import run_training
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, with_settings
from simo2_tui.cli.tracking import with_tracking
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.config import Config
    from simo2_core.run.directory import RunDirectory


def _resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: a name, a path, or latest.")] = "latest",
    *,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    plain: Annotated[bool, typer.Option("--plain", help="One line per log interval; the default when piped.")] = False,
    as_json: JsonOption = False,
    services: Sequence[Service],
    settings: Mapping[str, Any],
) -> None:
    """Go on with a run from its newest sound checkpoint, bit for bit as if it had never stopped.

    Settings given here replace the run's own from now on: `simo2 resume latest --steps 2000`. Where the run trains
    for a time, --steps take its place.
    """
    if plain and as_json:
        raise ConfigError("--plain and --json are given together; choose one of them.")
    config, found = find_resumable(run, run_dir, settings)
    run_training(config, found, run_dir=run_dir, name=None, plain=plain, as_json=as_json, services=services)


resume_command = with_settings(with_tracking(_resume))


def find_resumable(text: str, run_dir: Path, settings: Mapping[str, Any]) -> tuple[Config, RunDirectory]:
    """The run that a user means, and its settings with the given ones in their place.

    When `config.json` is damaged the settings come from the newest sound checkpoint, and a line on stderr says so.

    Raises:
        RunError: there is no such run, its settings cannot be read anywhere, or a newer simo2 wrote them.
        ConfigError: a setting that cannot work.
    """
    from simo2_core.run.directory import find_run
    from simo2_core.run.owner import whose

    if "init" in settings:
        raise ConfigError("--init is given for a run that is gone on with; it has weights of its own. Leave it out.")
    run = find_run(text, run_dir)
    if belongs := whose(run.path):
        print_visible(f"simo2: {belongs} Its settings are used, and what is trained is written there.", error=True)
    try:
        config = run.config
    except NewerFormatError:
        raise
    except RunError:
        from simo2_core.checkpoints.recovery import settings_of  # 2 s of jax, for a rare need

        config, problem = settings_of(run)
        print_visible(f"simo2: {problem}", error=True)
    return config.given(settings), run
