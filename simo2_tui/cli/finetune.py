"""`simo2 finetune`: an encoder, pretrained, learns to classify."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.errors import INTERRUPTED, ConfigError, DivergedError
from simo2_core.trackers.service import Service
from simo2_tui.cli.headless import decode_images, listen, run_training, say
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, with_settings
from simo2_tui.cli.tracking import with_tracking
from simo2_tui.ending import end_at_once_if_busy
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.config import Config

_TAKEN_OVER = ("--init", "--objective", "--labels")

_OF_MUON = 0.01
"""Of the rate that Muon trains with from scratch: what weights that are trained already are moved with."""


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
    seeds: Annotated[
        int | None, typer.Option(help="With --compare-scratch: runs of each, by default 3.", min=2, max=1000)
    ] = None,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    name: Annotated[str | None, typer.Option(help="Name of the new run's folder.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="One line per log interval; the default when piped.")] = False,
    as_json: JsonOption = False,
    services: Sequence[Service],
    settings: Mapping[str, Any],
) -> None:
    """Train a classifier on a pretrained encoder: `simo2 finetune latest --labels-per-class 5`.

    The new run has the settings of the old one but for cross-entropy with label smoothing 0.1, and a hundredth of the
    learning rate of Muon; those given here go first. It can be watched, stopped and resumed like every run.
    """
    if plain and as_json:
        raise ConfigError("--plain and --json are given together; choose one of them.")
    if compare_scratch and (from_scratch or settings.get("freeze")):
        other = "--from-scratch" if from_scratch else "--freeze"
        raise ConfigError(f"--compare-scratch and {other} are given together; it trains the whole network both ways.")
    if compare_scratch and (services or plain):
        other = "--plain" if plain else f"tracking by {services[0].name}"
        raise ConfigError(
            f"--compare-scratch and {other} are given together; its runs are told by their results alone."
        )
    if seeds is not None and not compare_scratch:
        raise ConfigError(f"--seeds is {seeds}, of --compare-scratch, which is not given. Use --seed for another seed.")
    for flag in _TAKEN_OVER:
        if flag.removeprefix("--") in settings:
            raise ConfigError(f"{flag} is given; fine-tuning sets it itself. Use simo2 train for other combinations.")
    config, weights = tuned_config(run, run_dir, data, settings)
    if compare_scratch:
        stem = name or f"{Path(weights['init']).parents[1].name}-tuned"
        _compare(config, weights, seeds or 3, run_dir, stem, as_json)
        return
    config = config if from_scratch else config.replace(weights)
    run_training(config, None, run_dir=run_dir, name=name, plain=plain, as_json=as_json, services=services)


finetune_command = with_settings(with_tracking(_finetune))


def tuned_config(
    text: str, run_dir: Path, data: str | None, settings: Mapping[str, Any]
) -> tuple[Config, dict[str, Any]]:
    """The settings to fine-tune a run with, but for its weights; and the settings that come with these.

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
        batch = {"samples_per_class": usual.samples_per_class, "batch_size": usual.batch_size}
        config = config.replace({"views_split": None, "labels": "classes", "objective": "cross_entropy", **batch})
    mine = {"objective": "cross_entropy", "label_smoothing": 0.1, "init": None, "freeze": False, **settings}
    config = config.given(mine)
    weights: dict[str, Any] = {"init": str(checkpoint)}
    tune = found.config.tune
    was_tuned = tune.init is not None and not tune.freeze and found.config.objective.name == "cross_entropy"
    # Muon moves kernels as far as its rate says, however small the gradient is: that from scratch would undo them
    if config.optim.optimizer == "muon" and not (config.tune.freeze or was_tuned or "learning_rate" in settings):
        weights["learning_rate"] = _OF_MUON * config.optim.learning_rate
    return config, weights


def _compare(config: Config, weights: Mapping[str, Any], seeds: int, run_dir: Path, name: str, as_json: bool) -> None:
    from simo2_core.compare.carry_out import carry_out_all, make_stop, open_comparison
    from simo2_core.compare.plan import Arm, Plan

    arms = (Arm("pretrained", weights), Arm("from scratch", {"init": None}))
    plan = Plan(config, arms, tuple(range(config.seed, config.seed + seeds)), assessed=False)
    folder = open_comparison(run_dir, name, plan)
    decode_images(config.images, quiet=as_json)
    rows: dict[str, list[dict[str, float]]] = {arm.name: [] for arm in arms}
    stop = make_stop(1)
    with listen(lambda _: stop.set(), say):
        for outcome in carry_out_all(folder, plan.runs({}), 1, lambda *_: None, stop):
            if outcome.diverged:
                raise DivergedError(f"{outcome.arm}, seed {outcome.seed} diverged. Use a smaller --learning-rate.")
            test = {features: next(iter(scores.values())) for features, scores in outcome.scores.items()}
            rows[outcome.arm].append({name: test[features] for name, features in _SHOWN.items()})
            line = f"{outcome.arm}, seed {outcome.seed}: test accuracy of the classifier {test['classifier']:.2%}"
            print_visible(line, error=True)
    done = sum(map(len, rows.values()))
    if done < 2 * seeds:
        saved = f"{done} of {2 * seeds} runs are done, and what {folder} has is saved"
        print_visible(f"simo2: stopped; {saved}. The same command goes on.", error=True)
        end_at_once_if_busy(INTERRUPTED)
        raise typer.Exit(INTERRUPTED)
    summary = {arm: _mean_and_std(tests) for arm, tests in rows.items()}
    if as_json:
        print(json.dumps({"event": "result", "checkpoint": weights["init"], "seeds": seeds, "test": summary}))
        return
    apart = ""
    if "learning_rate" in weights:
        rates = (weights["learning_rate"], config.optim.learning_rate)
        apart = " but for the rate ({:g} and {:g})".format(*rates)
    print_visible(f"Test, mean ± standard deviation over {seeds} seeds, fine-tuned with the same settings{apart}:")
    print_visible(f"{'':<14}{'classifier':>16}{'kNN@20':>16}{'raw pixels kNN':>18}")
    for arm, scores in summary.items():
        cells = [f"{100 * scores[key]['mean']:.2f} ± {100 * scores[key]['std']:.2f}" for key in scores]
        print_visible(f"{arm:<14}{cells[0]:>16}{cells[1]:>16}{cells[2]:>18}")


_SHOWN = {"classifier": "classifier", "knn_20": "representation", "raw": "raw_pixels"}
"""Columns of the table, each by the features that an outcome has its score of."""


def _mean_and_std(tests: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    import numpy as np

    columns = {key: [test[key] for test in tests] for key in tests[0]}
    return {key: {"mean": float(np.mean(of)), "std": float(np.std(of, ddof=1))} for key, of in columns.items()}
