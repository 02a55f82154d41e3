"""`simo2 export`: an encoder for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, path_option
from simo2_tui.telling import print_visible


def export_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    out: Annotated[
        Path, path_option("--out", "The folder to write encoder.safetensors and encoder.json into.", metavar="DIR")
    ],
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Write the encoder as safetensors, with its architecture as JSON: `simo2 export latest --out encoder`."""
    from simo2_core.checkpoints.exported import FACTS, WEIGHTS, export_encoder
    from simo2_core.evaluation.restore import locate
    from simo2_core.run.files import require_place

    require_place(out, folder=True)
    checkpoint = locate(run, run_dir)
    facts = export_encoder(checkpoint, out)
    files = [out / WEIGHTS, out / FACTS]
    if as_json:
        print(json.dumps({"checkpoint": str(checkpoint), "files": [str(path) for path in files], **facts}))
        return
    model, (height, width, channels) = facts["model"], facts["image_shape"]
    size = files[0].stat().st_size / 1e6
    print_visible(
        f"{checkpoint}: {model['encoder']['part']}, images {height}×{width}×{channels}, representation "
        f"{facts['representation']}, projection {facts['projection']}"
    )
    print_visible(f"{len(facts['arrays'])} arrays, {size:,.1f} MB")
    print_visible(f"Written: {', '.join(map(str, files))}")
