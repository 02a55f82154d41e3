"""`simo2 clean`: which images of a data set to look at once more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simo2_core.errors import ConfigError, RunError
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
    from simo2_core.clean.find import Findings

_CONFUSED = 8
"""Pairs of classes that are listed."""
_LABEL = 26
_KNOWS = 0.5
"""The share of labels that an encoder must agree with for its doubts to mean anything."""


def clean_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    out: Annotated[
        Path | None,
        path_option(
            "--out",
            "Write the doubted images to FILE.csv, .tsv, .jsonl or .parquet, which --dataset takes, and the worst of "
            "them to FILE.png.",
            metavar="FILE",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="With --out: a row for every image, with the label that is suggested.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --out: write over files that are there.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Look through another data set, as for simo2 train --dataset.")
    ] = None,
    encoder: EncoderOption = None,
    image_size: ImageSizeOption = 0,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Find images whose label is likely wrong, near-duplicates and outliers: `simo2 clean latest --out doubted.csv`.

    A label is judged by what has not seen it: the image's neighbours in the embedding, and a probe fitted on others.
    """
    from simo2_core.clean.find import find_doubts
    from simo2_core.clean.table import require_new_table, sheet_beside
    from simo2_core.evaluation.features import folder_of
    from simo2_core.evaluation.restore import locate
    from simo2_core.run.directory import find_run
    from simo2_tui.cli.data_progress import DataProgress
    from simo2_tui.cli.printing import telling

    if out is not None:
        require_new_table(out, overwrite=overwrite)
    elif every or overwrite:
        raise ConfigError(
            f"{'--all' if every else '--overwrite'} is for --out, which is not given. Add --out FILE.csv."
        )
    run = run_or_weights(run, encoder, image_size, run_dir, quiet=as_json)
    of, checkpoint = find_run(run, run_dir), locate(run, run_dir)
    with DataProgress(quiet=as_json) as progress, telling(as_json) as say:
        found = find_doubts(of, checkpoint, data=data, report=progress.report, say=say)
    if not as_json:
        print_visible("\n".join([f"{checkpoint}: {_heading(found)}", *_table(found), *_warnings(found, out)]))
    picture = folder_of(of, checkpoint, data) / "clean.png" if out is None else sheet_beside(out)
    files, refused = _write(found, out, picture, every=every)
    if as_json:
        result = {"run": str(of.path), "checkpoint": str(checkpoint), **found.to_json()}
        print(json.dumps({**result, "files": [str(path) for path in files]}))
    else:
        print_visible(f"Written: {', '.join(map(str, files)) or 'nothing'}")
    if refused is not None:
        raise refused


def _write(found: Findings, out: Path | None, picture: Path, *, every: bool) -> tuple[list[Path], RunError | None]:
    """The files that are written, and why not all are: what was found is said all the same."""
    from simo2_core.clean.sheet import draw_sheet
    from simo2_core.clean.table import write_table

    files: list[Path] = []
    try:
        if out is not None:
            write_table(out, found, every=every)
            files.append(out)
        if draw_sheet(picture, found) is not None:
            files.append(picture)
    except RunError as error:
        return files, error
    return files, None


def _heading(found: Findings) -> str:
    classes = f" of {len(found.class_names)} classes" if found.doubts is not None else ", without labels"
    return f"{found.data}, {len(found):,} images{classes}"


def _table(found: Findings) -> list[str]:
    wrong, count = len(found.mislabelled), len(found)
    lines = []
    if found.doubts is not None:
        agreed = found.agreed
        lines.append(f"{'labels it agrees with':<{_LABEL}}{agreed:>8,}  {agreed / count:.1%} of the images")
        lines.append(f"{'labels likely wrong':<{_LABEL}}{wrong:>8,}  {wrong / count:.1%} of the images")
        confused = found.confused()
        for own, other, images in confused[:_CONFUSED]:
            lines.append(f"{'':<{_LABEL}}{images:>8,}  {own} → {other}")
        rest = sum(images for _, _, images in confused[_CONFUSED:])
        if rest:
            lines.append(f"{'':<{_LABEL}}{rest:>8,}  in {len(confused) - _CONFUSED:,} other pairs of classes")
    leaks, conflicts = sum(map(found.is_leak, found.pairs)), sum(map(found.is_conflict, found.pairs))
    lines.append(f"{'pairs of near-duplicates':<{_LABEL}}{len(found.pairs):>8,}")
    if found.pairs:
        lines.append(f"{'':<{_LABEL}}{leaks:>8,}  across {_listed(found.parts)}")
        lines.append(f"{'':<{_LABEL}}{conflicts:>8,}  across classes")
    lines.append(f"{'outliers':<{_LABEL}}{len(found.outliers):>8,}")
    return lines


def _listed(parts: tuple[str, ...]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _warnings(found: Findings, out: Path | None) -> list[str]:
    from simo2_core.clean.table import can_be_read_back

    lines = []
    if found.agreed < _KNOWS * len(found):
        lines.append(
            "The encoder agrees with fewer than half of the labels: it hardly knows these classes, and its doubts mean "
            "little. Use another, or train it longer."
        )
    if found.taught and len(found.mislabelled):
        lines.append(
            "The encoder was trained on the labels of train, and may have learnt wrong ones: there fewer are found. An "
            "earlier checkpoint (RUN/checkpoints/STEP) or --encoder knows less of them."
        )
    if found.doubts is not None and len(found.doubts.unjudged):
        lines.append(f"{len(found.doubts.unjudged):,} classes have too few images for their labels to be judged.")
    if out is not None and found.files is not None and not can_be_read_back(out, found):
        lines.append(
            f"Not all images lie below the folder of {out}: its paths are absolute, and --dataset refuses them."
        )
    return lines
