"""`simo2 eval`: what a trained encoder is worth."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.errors import RunError
from simo2_tui.cli.options import (
    DEFAULT_RUN_DIR,
    EncoderOption,
    ImageSizeOption,
    JsonOption,
    RunDirOption,
    path_option,
    run_or_weights,
)
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.analysis.few_shot import Estimate
    from simo2_core.evaluation.assess import Assessment
    from simo2_core.metrics.metric import Row
    from simo2_core.run.directory import RunDirectory

_HEADS = {
    "representation": "represent.",
    "projection": "projection",
    "raw_pixels": "pixels",
    "random_representation": "random r.",
    "random_projection": "random p.",
}
_LABEL, _CELL = 24, 11
_WIDTH = _LABEL + _CELL * len(_HEADS)
_LISTED_CLASSES = 20


MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Measure this too, as often as given: a metric's name or FILE.py:CLASS, with settings as in "
        "knn:neighbours=1,5.",
    ),
]


def eval_command(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs (path, name or latest), or checkpoints in them.")
    ],
    data: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Evaluate on another data set, as for simo2 train --dataset.")
    ] = None,
    out: Annotated[
        Path | None,
        path_option("--out", "Folder for eval.json and the PNG files; by default the run's eval/STEP/.", metavar="DIR"),
    ] = None,
    metric: MetricOption = None,
    sgd_probe: Annotated[
        bool, typer.Option("--sgd-probe", help="Fit a linear probe by SGD on augmented images too, for 30 epochs.")
    ] = False,
    all_labels: Annotated[
        bool,
        typer.Option(
            "--all-labels", help="Let all labels of train count, also those that the run was not given in training."
        ),
    ] = False,
    encoder: EncoderOption = None,
    image_size: ImageSizeOption = 0,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Measure an encoder on the test part: kNN, linear probe, few labels, clusters, geometry, and baselines.

    Nothing is fitted or chosen on test. Several runs, such as seeds, end with mean ± std, which --out keeps.
    """
    from simo2_core.evaluation.assess import assess, summarise
    from simo2_core.evaluation.features import folder_of
    from simo2_core.evaluation.measures import choose_metrics
    from simo2_core.evaluation.restore import locate
    from simo2_core.run.directory import find_run
    from simo2_core.run.files import require_place
    from simo2_tui.cli.data_progress import DataProgress
    from simo2_tui.cli.printing import telling

    metrics = choose_metrics(metric or ())
    if out is not None:
        require_place(out, folder=True)
    runs = [run_or_weights(text, encoder, image_size, run_dir, quiet=as_json) for text in runs]
    done, several = [], len(runs) > 1
    for run, checkpoint in [(find_run(text, run_dir), locate(text, run_dir)) for text in runs]:
        with DataProgress(quiet=as_json) as progress, telling(as_json) as say:
            found = assess(
                run,
                checkpoint,
                data=data,
                metrics=metrics,
                augmented=sgd_probe,
                all_labels=all_labels,
                report=progress.report,
                say=say,
            )
        done.append(found)
        _show(found, folder_of(run, checkpoint, data) if several or out is None else out, run, several, as_json)
    if several:
        _summary(summarise(done), done, out, as_json)


def _show(found: Assessment, folder: Path, run: RunDirectory, several: bool, as_json: bool) -> None:
    from simo2_core.evaluation.assess import write_json

    files: list[Path] = []
    refused: RunError | None = None
    try:
        write_json(folder / "eval.json", found.to_json())
        files += [folder / "eval.json", *_draw(found, folder, run)]
    except RunError as error:  # minutes of work are said all the same
        refused = error
    result = {"run": str(run.path), **found.to_json(), "files": [str(path) for path in files]}
    if as_json:
        print(json.dumps({"event": "run_measured", **result} if several else result), flush=True)
    else:
        print_visible(f"{found.checkpoint}: {found.data}, {found.images['test']:,} test images")
        print_visible("\n".join([*_headlines(found), *_one_run(found)]))
        print_visible(f"Written: {', '.join(map(str, files)) or 'nothing'}\n")
    if refused is not None:
        raise refused


def _summary(
    summary: Mapping[str, Mapping[str, Estimate]], done: list[Assessment], out: Path | None, as_json: bool
) -> None:
    from simo2_core.analysis.plots.evaluation import draw_scores
    from simo2_core.evaluation.assess import FORMAT, describe_rows, write_json

    rows = max((found.rows for found in done), key=len)
    scores = {
        name: {key: {"mean": score.mean, "std": score.interval} for key, score in by_key.items()}
        for name, by_key in summary.items()
    }
    checkpoints = [str(found.checkpoint) for found in done]
    result: dict[str, Any] = {
        "format": FORMAT,
        "checkpoints": checkpoints,
        "data": done[0].data,
        "images": done[0].images,
        "metrics": describe_rows(rows),
        "scores": scores,
    }
    files = []
    if out is not None:
        write_json(out / "eval.json", result)
        caption = f"{done[0].data} · {len(done)} runs · {done[0].images['test']:,} test images"
        files = [
            out / "eval.json",
            draw_scores(out / "eval.png", summary, _shares(rows), caption, ["Bars: ± std of runs."]),
        ]
    if as_json:
        print(json.dumps({**result, "files": [str(path) for path in files]}))
        return
    print_visible(f"{len(done)} runs: mean ± standard deviation (n - 1)")
    print_visible("\n".join([*_table(rows, summary), "", *_origins(done[0])]))
    if files:
        print_visible(f"Written: {', '.join(map(str, files))}")


def _draw(found: Assessment, folder: Path, run: RunDirectory) -> list[Path]:
    from simo2_core.analysis.plots.evaluation import draw_confusion, draw_scores
    from simo2_core.analysis.plots.style import Caption

    caption = Caption(found.data, found.step, found.images["test"], "test", run=run.name)
    scores = {name: worth.scores for name, worth in found.worth.items()}
    notes = [
        "Random: the same network before its first step.",
        "Bars: 95% interval over test images, draws of labels or episodes.",
    ]
    return [
        draw_scores(folder / "eval.png", scores, _shares(found.rows), str(caption), notes),
        draw_confusion(
            folder / "confusion.png", found.classes, found.class_names, caption, "kNN k=20 on the representation"
        ),
    ]


def _shares(rows: Sequence[Row]) -> list[Any]:
    from simo2_core.analysis.plots.evaluation import DotRow

    return [DotRow(row.key, row.label) for row in rows if row.share]


def _one_run(found: Assessment) -> list[str]:
    scores = {name: worth.scores for name, worth in found.worth.items()}
    return [*_table(found.rows, scores), "", *_per_class(found), "", *_origins(found)]


def _headlines(found: Assessment) -> list[str]:
    """The numbers to read first, each beside that of pixels, with the interval over the images of test."""
    from simo2_core.evaluation.measures import HEADLINES

    lines = []
    for row in (row for row in found.rows if row.key in HEADLINES):
        ours, pixels = (found.worth[name].scores[row.key] for name in ("representation", "raw_pixels"))
        said = [f"{100 * score.mean:.1f} ± {100 * score.interval:.1f}%" for score in (ours, pixels)]
        lines.append(f"{row.label}: {said[0]}, of pixels {said[1]}")
    return lines


def _table(rows: Sequence[Row], scores: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    lines, group = [" " * _LABEL + "".join(f"{_HEADS[name]:>{_CELL}}" for name in scores)], ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines.append(f"{group}, %" if row.share else group)
        cells = (_cell(row, scores[name].get(row.key)) for name in scores)
        lines.append(f" {_fitting(row.label):<{_LABEL - 1}}" + "".join(f"{cell:>{_CELL}}" for cell in cells))
    return lines


def _fitting(name: str) -> str:
    """A name that fits into the first column."""
    return name if len(name) < _LABEL else name[: _LABEL - 2] + "…"


def _cell(row: Row, score: Estimate | None) -> str:
    if score is None:
        return "–"
    scale, digits = (100, 1) if row.share else (1, 2)
    if not math.isnan(score.interval):
        return f"{scale * score.mean:.{digits}f}±{scale * score.interval:.{digits}f}"
    return f"{scale * score.mean:.{digits + 1}f}" if abs(score.mean) < 1e4 else f"{score.mean:.1e}"


def _per_class(found: Assessment) -> list[str]:
    classes = found.classes
    order = range(len(found.class_names))
    title = "By class, kNN k=20 on the representation:"
    if len(found.class_names) > _LISTED_CLASSES:
        order = sorted(order, key=lambda c: (math.isnan(classes.f1[c]), classes.f1[c]))[:_LISTED_CLASSES]  # type: ignore[assignment]
        title = f"The {_LISTED_CLASSES} classes with the lowest F1, kNN k=20 on the representation:"
    lines = [title, f" {'':<{_LABEL - 1}}{'images':>8}{'precision':>11}{'recall':>9}{'F1':>8}"]
    lines += [
        f" {_fitting(found.class_names[c]):<{_LABEL - 1}}{classes.images[c]:>8,}{_share(classes.precision[c]):>11}"
        f"{_share(classes.recall[c]):>9}{_share(classes.f1[c]):>8}"
        for c in order
    ]
    if found.untested:
        shown = ", ".join(found.untested[:8]) + (", …" if len(found.untested) > 8 else "")
        what = f"Warning: test has no image of {len(found.untested)} of {len(found.class_names)} classes: {shown}."
        lines += textwrap.wrap(f"{what} Of them nothing can be said.", _WIDTH)
    return lines


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _origins(found: Assessment) -> list[str]:
    """Which part every number is from."""
    from simo2_core.data.dataset import UNSEEN
    from simo2_core.metrics.probe import Probe

    sizes = {name: f"{count:,}" for name, count in found.images.items()}
    within = "; ".join(row.label for row in found.rows if row.fit == "test")
    elsewhere = ", ".join(row.label for row in found.rows if row.split not in ("test", UNSEEN))
    lines = [
        f"Every number is about test ({sizes['test']} images), but {elsewhere}, about train ({sizes['train']}).",
        f"Neighbours, means and probes come from train; within test itself: {within}.",
        "±: half of the 95% interval, of accuracies over test images (Wilson), of few labels over draws.",
        f"C of the linear probe is chosen on validation ({sizes['validation']}); nothing is chosen on test.",
        "pixels: raw values. random r., random p.: both outputs of the same network before its first step.",
    ]
    if UNSEEN in sizes:
        lines.append(f"unseen: {sizes[UNSEEN]} test images of classes that training never saw, among themselves.")
    used, seen, every = found.labels
    if seen < every:
        lines.append(
            f"Labels: all {every:,} of train. Training was given {seen:,} of them, which are the default here."
            if used == every
            else f"Labels: the {used:,} of {every:,} that training was given; --all-labels takes all of them."
        )
    if found.augmented_probes:
        lines.append("Probe by SGD: on augmented images, as the run augments; learning rate chosen on validation.")
    most = min((metric.probe_images for metric in found.metrics if isinstance(metric, Probe)), default=math.inf)
    if found.images["train"] > most:
        lines.append(f"Linear probes are fitted on {most:,} training images, as many of each class as can be.")
    lines += [f"Warning: the metric {name} could not measure all: {why}." for name, why in found.problems.items()]
    return [piece for line in lines for piece in textwrap.wrap(line, _WIDTH)]
