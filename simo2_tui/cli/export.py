"""`simo2 export`: an encoder for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simo2_core.errors import ConfigError
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, path_option
from simo2_tui.plain_lines import print_visible


def export_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run (path, name or latest), or a checkpoint in one.")],
    out: Annotated[Path, path_option("--out", "The folder to write into.", metavar="DIR")],
    format: Annotated[
        str,
        typer.Option(
            help="simo2: encoder.safetensors and encoder.json. timm, torch: model.safetensors with the names of timm "
            "or torchvision. onnx: encoder.onnx. The latter three with a model card."
        ),
    ] = "simo2",
    push: Annotated[
        str | None, typer.Option(metavar="NAME", help="Put it on the Hugging Face Hub too, as OWNER/MODEL.")
    ] = None,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Write the encoder for other tools: `simo2 export latest --out encoder --format onnx`."""
    from simo2_core.evaluation.restore import locate
    from simo2_core.run.files import require_place

    require_place(out, folder=True)
    if format == "simo2":
        if push is not None:
            raise ConfigError("--push is given without --format timm, torch or onnx, which have a card for the Hub.")
        _own_format(locate(run, run_dir), out, as_json)
        return
    from simo2_core.config import Config
    from simo2_core.export.formats import export_as, require_format
    from simo2_core.export.hub import push as push_folder
    from simo2_core.export.hub import require_hub

    if push is not None:
        require_hub()
    checkpoint = locate(run, run_dir)
    from simo2_core.checkpoints.checkpoint import read_meta

    require_format(format, Config.from_json(read_meta(checkpoint)["config"]).model.encoder)
    files = export_as(format, checkpoint, out)
    address = None if push is None else push_folder(out, push)
    if as_json:
        written = [str(path) for path in files]
        print(json.dumps({"checkpoint": str(checkpoint), "format": format, "files": written, "pushed": address}))
        return
    print_visible(f"{checkpoint}: {format}, {files[0].stat().st_size / 1e6:,.1f} MB")
    print_visible(f"Written: {', '.join(map(str, files))}")
    if address is not None:
        print_visible(f"Pushed: {address}")


def _own_format(checkpoint: Path, out: Path, as_json: bool) -> None:
    from simo2_core.checkpoints.exported import export_encoder
    from simo2_core.pretrained.own import FACTS, WEIGHTS

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
