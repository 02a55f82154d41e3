"""Back to the newest checkpoint that is as it was saved, past those that are damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from simo2_core.checkpoints.checkpoint import list_steps, read_meta
from simo2_core.checkpoints.manifest import verify
from simo2_core.commands import Reason
from simo2_core.config import Config
from simo2_core.errors import CheckpointError, ConfigError, NewerFormatError, RunError
from simo2_core.events import RunFinished
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error


@dataclass(frozen=True)
class Recovery:
    """Where a run can go on."""

    checkpoint: Path | None
    """The newest sound one; None when the run has none at all and begins anew."""
    damaged: tuple[tuple[Path, str], ...] = ()
    """The newer ones, each with what is wrong with it, the newest first."""


def newest_sound(folder: Path) -> Recovery:
    """The newest checkpoint in a `checkpoints/` folder whose files all match its manifest.

    Raises:
        NewerFormatError: the newest sound one was written by a newer simo2.
        CheckpointError: there are checkpoints, and none is sound.
    """
    damaged: list[tuple[Path, str]] = []
    for step in reversed(list_steps(folder)):
        path = folder / str(step)
        try:
            verify(path)
            read_meta(path)
        except NewerFormatError:
            raise
        except CheckpointError as error:
            damaged.append((path, str(error)))
        else:
            return Recovery(path, tuple(damaged))
    if damaged:
        reasons = " ".join(reason for _, reason in damaged)
        raise CheckpointError(f"no checkpoint in {folder} can be used. {reasons} Start a new run.")
    return Recovery(None)


def require_ahead(config: Config, run: RunDirectory) -> None:
    """Raises ConfigError when more steps of the run are taken than `config` asks for: there is no way back."""
    newest = list_steps(run.checkpoints)[-1:]
    if not newest or newest[0] <= config.steps:
        return
    sound = newest_sound(run.checkpoints).checkpoint  # the newer ones may be damaged
    if sound is not None and int(sound.name) > config.steps:
        raise ConfigError(
            f"steps is {config.steps:,}, and {run.path} is at step {int(sound.name):,} already. Give --steps above "
            f"{int(sound.name)} to train it further, or leave --steps out; a shorter run begins anew, with another "
            "--name."
        )


def set_aside(recovery: Recovery) -> None:
    """Renames the damaged checkpoints to `STEP.damaged`, out of the way of the same step when it comes again.

    Only the owner of the run may do so.

    Raises:
        RunError: the disk refuses.
    """
    for path, _ in recovery.damaged:
        _rename_aside(path, "damaged")


def set_diverged_aside(run: RunDirectory) -> None:
    """Renames the checkpoint that a run left when it diverged to `STEP.diverged`, to go on from one before.

    That state is what gave a loss that is not finite, and gives it again however small the next step would be. An
    earlier one is left alone: whoever was killed after the renaming may do this again. Only the owner may do so.

    Raises:
        RunError: the disk refuses.
    """
    ends = [event for event in run.events() if isinstance(event, RunFinished)]
    if ends and ends[-1].reason == Reason.DIVERGED:
        _leave(run.checkpoints, ends[-1].step)


def back_from(folder: Path, step: int) -> Recovery:
    """Where to go on after the state of `step` has given a loss that is not finite: before it, were it saved.

    Raises:
        RunError: as for `newest_sound`, or the disk refuses.
    """
    _leave(folder, step)
    return newest_sound(folder)


def _leave(folder: Path, step: int) -> None:
    if list_steps(folder)[-1:] == [step]:
        _rename_aside(folder / str(step), "diverged")


def _rename_aside(path: Path, why: str) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.{why}{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        raise disk_error("setting aside", path, error) from error


def settings_of(run: RunDirectory) -> tuple[Config, str | None]:
    """The settings to resume with, and what is wrong with `config.json` when they had to come from a checkpoint.

    Raises:
        RunError: neither can be read, or a newer simo2 wrote them.
    """
    try:
        return run.config, None
    except RunError as error:
        if isinstance(error, NewerFormatError):
            raise
        try:
            checkpoint = newest_sound(run.checkpoints).checkpoint
        except CheckpointError:
            checkpoint = None
        if checkpoint is None:
            raise
        return Config.from_json(read_meta(checkpoint)["config"]), f"{error} Its settings come from {checkpoint}."
