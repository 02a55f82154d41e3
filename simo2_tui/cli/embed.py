"""`simo2 embed`: embeddings for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

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


def embed_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    out: Annotated[
        Path,
        path_option(
            "--out", "FILE.npz, FILE.parquet, or a folder for TensorBoard's projector: a name without a suffix."
        ),
    ],
    data: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Embed another data set, as for simo2 train --dataset.")
    ] = None,
    parts: Annotated[
        str, typer.Option(metavar="PARTS", help="Comma separated: train, validation, test.")
    ] = "train,validation,test",
    encoder: EncoderOption = None,
    image_size: ImageSizeOption = 0,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Write embeddings, labels and ids of images to a file: `simo2 embed latest --out digits.npz`."""
    from simo2_core.evaluation.restore import locate
    from simo2_core.export.embeddings import embed_dataset, require_known_format, write_embeddings
    from simo2_core.run.directory import find_run
    from simo2_tui.cli.data_progress import DataProgress

    require_known_format(out)
    run = run_or_weights(run, encoder, image_size, run_dir, quiet=as_json)
    found, checkpoint = find_run(run, run_dir), locate(run, run_dir)
    wanted = [name.strip() for name in parts.split(",") if name.strip()]
    with DataProgress(quiet=as_json) as progress:
        made = embed_dataset(found, checkpoint, data=data, parts=wanted, report=progress.report)
    files = write_embeddings(out, made)
    counts = {name: sum(row.part == name for row in made.rows) for name in dict.fromkeys(wanted)}
    features, dimensions = made.representation.shape[1], made.projection.shape[1]
    if as_json:
        print(
            json.dumps(
                {
                    **made.facts,
                    "run": str(found.path),
                    "checkpoint": str(checkpoint),
                    "images": counts,
                    "representation": features,
                    "projection": dimensions,
                    "files": [str(path) for path in files],
                }
            )
        )
        return
    each = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print_visible(f"{checkpoint}: {made.facts['data']}, {each} images")
    print_visible(
        f"representation {len(made.rows):,} × {features}, projection {len(made.rows):,} × {dimensions}, with labels "
        "and ids"
    )
    print_visible(f"Written: {', '.join(map(str, files))}")
    if opens := _opening(out, len(made.rows)):
        print_visible(f"See them: {opens}")


def _opening(out: Path, images: int) -> str:
    """The command of another tool that shows what was written; empty for arrays."""
    from simo2_core.export.atlas import opening

    if out.suffix == ".parquet":
        return opening(out, images)
    return "" if out.suffix else f"tensorboard --logdir {out}"
