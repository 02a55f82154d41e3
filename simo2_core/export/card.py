"""The card of an exported model, as the Hub shows it: what it is, what it reaches, how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simo2_core.command_line import train_command
from simo2_core.config import Config
from simo2_core.events import Evaluated
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import read_events

_ROWS = {"knn_20": "kNN, k = 20", "linear_probe": "linear probe", "nearest_class_mean": "nearest class mean"}
"""Of eval.json, by their keys."""

_LOADED = {
    "timm": """import timm

encoder = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
features = encoder(images)  # float32 (N, {channels}, {height}, {width}), normalised: (N, {features})
""",
    "torch": """import torch, torchvision
from safetensors.torch import load_file

encoder = torchvision.models.{architecture}()
{headless}
encoder.load_state_dict(load_file("model.safetensors"))
features = encoder.eval()(images)  # float32 (N, {channels}, {height}, {width}), normalised: (N, {features})
""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("encoder.onnx")
features, embedding = session.run(None, {{"images": images}})  # uint8 (N, {height}, {width}, {channels})
""",
}
_LIBRARY = {"timm": "timm", "torch": "torchvision", "onnx": "onnx"}


def card_of(format: str, checkpoint: Path, meta: Mapping[str, Any]) -> str:
    """README.md of an export in `format`, of a checkpoint with that meta."""
    config, run = Config.from_json(meta["config"]), RunDirectory(checkpoint.parents[1])
    encoder, (height, width, channels) = config.model.encoder, meta["image_shape"]
    architecture = encoder.name.removesuffix("_imagenet")
    headless = "encoder.fc = torch.nn.Identity()" if "resnet" in architecture else "del encoder.classifier[2]"
    lines = _LOADED[format].format(
        height=height, width=width, channels=channels, features=encoder.features, architecture=architecture,
        headless=headless,
    )  # fmt: skip
    numbers = "\n".join(_results(run, int(checkpoint.name)))
    listed = [", ".join(f"{value:.7g}" for value in meta[key]) for key in ("mean", "std")]
    inside = "The graph does this itself." if format == "onnx" else "Do this before."
    return f"""---
library_name: {_LIBRARY[format]}
pipeline_tag: image-feature-extraction
tags:
- image-feature-extraction
- simo2
---

# {run.name}

An image encoder, `{encoder.name}`, trained by simo2 with the objective `{config.objective.name}`,
{int(checkpoint.name):,} steps. Its representation has {encoder.features} features.

```python
{lines}```

Images are {height}×{width}×{channels}, made so by `{config.data.resize}` and bilinear resizing, and normalised by
channel, (image / 255 − mean) / std: mean {listed[0]}, std {listed[1]}. {inside}

## Results

{numbers}

## Data

`{config.data.dataset}`, {len(meta["class_names"])} classes; fingerprint of its images `{meta["fingerprint"]}`.

## Command

```sh
{train_command(config)}
```
"""


def _results(run: RunDirectory, step: int) -> Iterator[str]:
    """A table of what was measured on test: by `simo2 eval`, else at the end of training."""
    try:
        found = json.loads((run.path / "eval" / str(step) / "eval.json").read_bytes())
        scores = found["scores"]["representation"]
        rows = {said: float(scores[key]["value"]) for key, said in _ROWS.items() if key in scores}
        images = int(found["images"]["test"])
    except (OSError, ValueError, KeyError, TypeError):
        at_end = [
            event
            for event in read_events(run.events_path, warn=False)
            if isinstance(event, Evaluated) and event.split == "test" and event.step == step
        ]
        rows = {_ROWS["knn_20"]: at_end[-1].knn_representation} if at_end else {}
        images = at_end[-1].images if at_end else 0
    if not rows:
        yield "Not measured on test yet: `simo2 eval` does it."
        return
    yield f"Accuracy of the representation on {images:,} test images:"
    yield ""
    yield "| measured by | accuracy |"
    yield "|---|---|"
    for said, value in rows.items():
        yield f"| {said} | {value:.2%} |"
