"""`simo2 finetune`: an encoder, pretrained, learns to classify."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.commands import Command, Reason
from simo2_core.errors import INTERRUPTED, ConfigError
from simo2_core.track.service import Service
from simo2_tui.cli.headless import decode_images, listen, run_training, say
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, with_settings
from simo2_tui.cli.tracking import with_tracking

if TYPE_CHECKING:
    from simo2_core.config import Config
    from simo2_core.events import Event
    from simo2_core.run.directory import RunDirectory

_TAKEN_OVER = ("--init", "--objective", "--labels")


def _finetune(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    *,
    data: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Fine-tune on another data set; by default the run's own.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="The same network and settings, without the pretrained weights.")
    ] = False,
    compare_scratch: Annotated[
        bool, typer.Option("--compare-scratch", help="Both, for --seeds seeds, as mean and standard deviation.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="With --compare-scratch: runs of each.", min=2, max=1000)] = 3,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    name: Annotated[str | None, typer.Option(help="Name of the new run's folder.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="One line per log interval; the default when piped.")] = False,
    as_json: JsonOption = False,
    services: Sequence[Service],
    settings: Mapping[str, Any],
) -> None:
    """Train a classifier on a pretrained encoder: `simo2 finetune latest --labels-per-class 5`.

    The new run has the settings of the old one but for cross-entropy with label smoothing 0.1; those given here go
    first. It can be watched, stopped and resumed like every run.
    """
    if compare_scratch and (from_scratch or settings.get("freeze")):
        other = "--from-scratch" if from_scratch else "--freeze"
        raise ConfigError(f"--compare-scratch and {other} are given together; it trains the whole network both ways.")
    for flag in _TAKEN_OVER:
        if flag.removeprefix("--") in settings:
            raise ConfigError(f"{flag} is given; fine-tuning sets it itself. Use simo2 train for other combinations.")
    config, checkpoint = tuned_config(run, run_dir, data, settings)
    if compare_scratch:
        stem = name or f"{checkpoint.parents[1].name}-tuned"
        _compare(config, checkpoint, seeds, run_dir, stem, as_json)
        return
    config = config if from_scratch else config.replace({"init": str(checkpoint)})
    run_training(config, None, run_dir=run_dir, name=name, plain=plain, as_json=as_json, services=services)


finetune_command = with_settings(with_tracking(_finetune))


def tuned_config(text: str, run_dir: Path, data: str | None, settings: Mapping[str, Any]) -> tuple[Config, Path]:
    """The settings to fine-tune a run with, weights not named yet, and the checkpoint that has them.

    Raises:
        RunError: there is no such run, or it has no checkpoint.
        ConfigError: a setting that cannot work.
    """
    import dataclasses

    from simo2_core.checkpoints.checkpoint import read_meta
    from simo2_core.evaluation.features import data_config
    from simo2_core.evaluation.restore import locate
    from simo2_core.presets import config_for
    from simo2_core.run.directory import find_run

    found = find_run(text, run_dir)
    checkpoint = locate(text, run_dir).absolute()
    config = found.config
    if data is not None:
        config = dataclasses.replace(config, data=data_config(found, read_meta(checkpoint)["image_shape"], data))
    if config.data.labels == "none":  # its views and batches were made for training without labels
        usual = config_for(config.data.dataset)
        config = dataclasses.replace(config, augment=usual.augment)
        config = config.replace({"samples_per_class": usual.samples_per_class, "batch_size": usual.batch_size})
        config = config.replace({"views_split": None, "labels": "classes"})
    mine = {"objective": "cross_entropy", "label_smoothing": 0.1, "init": None, "freeze": False, **settings}
    config = config.replace(mine)
    return config, checkpoint


def _compare(config: Config, checkpoint: Path, seeds: int, run_dir: Path, stem: str, as_json: bool) -> None:
    decode_images(config.data, quiet=as_json)
    rows: dict[str, list[dict[str, float]]] = {"pretrained": [], "from scratch": []}
    for seed in range(config.seed, config.seed + seeds):
        for arm, init in (("pretrained", str(checkpoint)), ("from scratch", None)):
            mine = config.replace({"seed": seed, "init": init})
            run = _begin(run_dir, f"{stem}-{arm.split()[-1]}-s{seed}", mine)
            test = _train(mine, run)
            if test is None:
                saved = f"{sum(map(len, rows.values()))} of {2 * seeds} runs are done, and what {run.path} has is saved"
                print(f"simo2: stopped; {saved}. The same command goes on.", file=sys.stderr)
                raise typer.Exit(INTERRUPTED)
            rows[arm].append(test)
            line = f"{arm}, seed {seed}: test accuracy of the classifier {test['classifier']:.2%} ({run.path})"
            print(line, file=sys.stderr, flush=True)
    summary = {arm: _mean_and_std(tests) for arm, tests in rows.items()}
    if as_json:
        print(json.dumps({"event": "result", "checkpoint": str(checkpoint), "seeds": seeds, "test": summary}))
        return
    print(f"Test, mean ± standard deviation over {seeds} seeds, fine-tuned with the same settings:")
    print(f"{'':<14}{'classifier':>16}{'kNN@20':>16}{'raw pixels kNN':>18}")
    for arm, scores in summary.items():
        cells = [f"{100 * scores[key]['mean']:.2f} ± {100 * scores[key]['std']:.2f}" for key in scores]
        print(f"{arm:<14}{cells[0]:>16}{cells[1]:>16}{cells[2]:>18}")


def _begin(run_dir: Path, name: str, config: Config) -> RunDirectory:
    """A run of the comparison: a new one, or the one that an earlier start has begun."""
    from simo2_core.data.located import absolute
    from simo2_core.run.directory import RunDirectory

    path = run_dir / name
    if not path.exists():
        return RunDirectory.create(run_dir, name, config)
    run = RunDirectory.open(path)
    if run.config != absolute(config):
        raise ConfigError(f"{path} has other settings. Give another --name, or the same settings to go on with it.")
    return run


def _train(config: Config, run: RunDirectory) -> dict[str, float] | None:
    """What test says of a run, trained now if it has not been; None when it was asked to stop, and has saved."""
    from simo2_core.run.control import Control
    from simo2_core.run.log import record
    from simo2_core.run.summary import summarise

    if summarise(run).state == "completed":
        return _test_of(run.events())
    with run.own():
        control = Control(run.control)
        with listen(partial(control.send, Command.STOP), say):
            from simo2_core.train.trainer import train  # seconds of jax: not before the settings are known to work

            return _test_of(record(train(config, run, control, pictures=False), run, say=lambda _: None))


def _test_of(events: Iterable[Event]) -> dict[str, float] | None:
    from simo2_core.events import Evaluated, RunFinished

    found, reason = None, Reason.FAILED
    for event in events:
        if isinstance(event, Evaluated) and event.split == "test" and event.classifier is not None:
            found = {"classifier": event.classifier, "knn_20": event.knn_representation, "raw": event.knn_raw_pixels}
        if isinstance(event, RunFinished):  # the last one counts: the run may have been stopped and gone on
            reason = event.reason
    return found if reason == Reason.COMPLETED else None


def _mean_and_std(tests: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    import numpy as np

    columns = {key: [test[key] for test in tests] for key in tests[0]}
    return {key: {"mean": float(np.mean(of)), "std": float(np.std(of, ddof=1))} for key, of in columns.items()}
