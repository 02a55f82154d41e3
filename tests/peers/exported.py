"""Exports loaded by timm, torchvision and ONNX Runtime themselves: do they give the same features?

    /tmp/peers/bin/pip install onnxruntime   # beside what tests/peers/answers.py needs
    simo2 export RUN --format timm --out out/timm    # and torch, onnx
    /tmp/peers/bin/python -m tests.peers.exported out

Prints the largest difference over the largest feature, for each of `timm` and `torch` against `onnx`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from safetensors.torch import load_file

from tests.peers.answers import timm, torch, torchvision


def main(folder: str) -> None:
    """Compares what is in the folders `timm` and `torch` of `folder` with its `onnx`."""
    session = onnxruntime.InferenceSession(Path(folder) / "onnx" / "encoder.onnx")
    _, height, width, channels = session.get_inputs()[0].shape
    images = np.random.default_rng(0).integers(0, 256, (3, height, width, channels), np.uint8)
    representation = session.run(["representation"], {"images": images})[0]
    worst = 0.0
    for kind in ("timm", "torch"):
        where = Path(folder) / kind
        if not where.exists():
            continue
        network = _timm(where) if kind == "timm" else _torchvision(where)
        mean, std = _normalisation(where)
        ready = torch.from_numpy(((images / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2).copy())
        with torch.inference_mode():
            features = network.eval()(ready).numpy()
        differs = float(np.abs(features - representation).max() / np.abs(representation).max())
        print(f"{kind}: {features.shape}, {differs:.1e}")
        worst = max(worst, differs)
    sys.exit(worst > 1e-4)


def _timm(where: Path) -> Any:
    return timm.create_model(f"local-dir:{where}", pretrained=True)


def _torchvision(where: Path) -> Any:
    """By the lines of the card."""
    named = re.search(r"torchvision\.models\.(\w+)\(", (where / "README.md").read_text())
    assert named is not None
    network = getattr(torchvision.models, named[1])()
    if hasattr(network, "fc"):
        network.fc = torch.nn.Identity()
    else:
        del network.classifier[2]
    network.load_state_dict(load_file(where / "model.safetensors"))
    return network


def _normalisation(where: Path) -> Any:
    """Mean and standard deviation that the card says."""
    said = re.search(r"mean ([\d., ]+), std ([\d., ]+)\. ", (where / "README.md").read_text())
    assert said is not None
    return (np.array(json.loads(f"[{numbers}]")) for numbers in said.groups())


if __name__ == "__main__":
    main(*sys.argv[1:])
