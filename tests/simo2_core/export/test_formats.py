"""Encoders written for timm, torchvision and ONNX, from a run of no step."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from simo2_core.analysis.few_shot import Estimate
from simo2_core.checkpoints.checkpoint import find_checkpoint, load
from simo2_core.checkpoints.exported import export_encoder
from simo2_core.encoders.convnext import ConvNeXtTiny
from simo2_core.encoders.resnet18 import ResNet18
from simo2_core.encoders.resnet_imagenet import ResNet18ImageNet
from simo2_core.encoders.vit import ViTSmall
from simo2_core.encoders.yatcnn import YatCNN
from simo2_core.errors import ConfigError, RunError
from simo2_core.evaluation.assess import scores_to_json
from simo2_core.export import formats, hub
from simo2_core.export.formats import export_as, require_format
from simo2_core.pretrained.recognise import recognise
from simo2_core.run.directory import RunDirectory
from simo2_core.session import run_of_weights
from tests.peers.compare import read_answers, write_weights

ANSWERS = read_answers(Path(__file__).parents[1] / "golden" / "peers.json.xz")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunDirectory]:
    folder = tmp_path_factory.mktemp("made")
    weights = write_weights(folder / "weights", ANSWERS["timm dinov2 registers"])
    return weights, run_of_weights(str(weights), "digits", folder / "runs", image_size=12)


@pytest.mark.parametrize(
    ("format", "encoder", "said"),
    [
        ("timm", YatCNN(), "timm has no yatcnn; it has convnext_tiny, resnet18_imagenet"),
        ("timm", ResNet18(), "timm has no resnet18; it has .*resnet18_imagenet.* Use --format onnx"),
        ("torch", ViTSmall(), "torchvision has no vit_small; it has .*convnext_tiny"),
        ("torch", ResNet18ImageNet(stage_widths=(4, 4, 4, 4)), "of these widths and depths"),
        ("tf", YatCNN(), "must be one of simo2, timm, torch, onnx"),
    ],
)
def test_what_a_library_has_not_is_said(format: str, encoder: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        require_format(format, encoder)


@pytest.mark.parametrize(
    ("format", "encoder"),
    [("timm", ResNet18ImageNet()), ("torch", ResNet18ImageNet()), ("torch", ConvNeXtTiny()), ("timm", ViTSmall()),
     ("onnx", YatCNN())],
)  # fmt: skip
def test_what_a_library_has_is_let_through(format: str, encoder: Any) -> None:
    require_format(format, encoder)


def test_weights_go_out_as_they_came_in(
    made: tuple[Path, RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, run = made
    monkeypatch.setattr(formats, "_architecture", lambda *_: "vit_small_patch14_reg4_dinov2")  # it is a narrow one
    files = export_as("timm", find_checkpoint(run.checkpoints), tmp_path)
    assert [path.name for path in files] == ["model.safetensors", "config.json", "README.md"]
    before, after = load_file(weights / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    found = recognise(str(tmp_path))  # and they go in again
    assert (found.encoder.features, found.size, found.channels, found.layout.library) == (16, 12, 3, "timm")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_args"] == {"dynamic_img_size": True, "global_pool": "token", "img_size": 12}
    assert config["pretrained_cfg"]["mean"] == pytest.approx([0.485, 0.456, 0.406])


def test_an_average_of_weights_is_what_goes_out(
    made: tuple[Path, RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = made
    arrays, meta = load(find_checkpoint(run.checkpoints))
    averaged = {"average/params/encoder/final_norm/norm/bias": np.arange(16, dtype=np.float32)}
    monkeypatch.setattr(formats, "load", lambda checkpoint: (arrays | averaged, meta))
    monkeypatch.setattr(formats, "_architecture", lambda *_: "vit_small_patch14_reg4_dinov2")
    export_as("timm", find_checkpoint(run.checkpoints), tmp_path)
    np.testing.assert_array_equal(load_file(tmp_path / "model.safetensors")["norm.bias"], np.arange(16))


def test_a_card_says_results_data_and_command(made: tuple[Path, RunDirectory], tmp_path: Path) -> None:
    _, run = made
    checkpoint = find_checkpoint(run.checkpoints)
    export_as("onnx", checkpoint, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: onnx\n")
    assert 'InferenceSession("encoder.onnx")' in card
    assert "Not measured on test yet" in card
    assert "simo2 train --preset digits --encoder vit_small" in card
    assert run.config.data.dataset in card
    (run.path / "eval" / "0").mkdir(parents=True)
    measured = {"knn_20": Estimate(0.5, float("nan")), "linear_probe": Estimate(0.25, 0.01)}
    scores = {"representation": scores_to_json(measured)}
    (run.path / "eval" / "0" / "eval.json").write_text(json.dumps({"scores": scores, "images": {"test": 359}}))
    export_as("onnx", checkpoint, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "on 359 test images" in card
    assert "| kNN, k = 20 | 50.00% |" in card
    assert "| linear probe | 25.00% |" in card


@pytest.mark.parametrize(("format", "name"), [
    ("onnx", "README.md"), ("onnx", "encoder.onnx"), ("simo2", "encoder.safetensors"),
    ("simo2", "encoder.json"),
])  # fmt: skip
def test_an_export_replaces_an_export_and_nothing_else(
    made: tuple[Path, RunDirectory], tmp_path: Path, format: str, name: str
) -> None:
    checkpoint = find_checkpoint(made[1].checkpoints)

    def export(folder: Path) -> None:
        if format == "simo2":
            export_encoder(checkpoint, folder)
        else:
            export_as(format, checkpoint, folder)

    own = tmp_path / name
    own.write_text("mine")
    with pytest.raises(ConfigError, match=rf"which has a {re.escape(name)} that no export wrote\. Name another folder"):
        export(tmp_path)
    assert [*tmp_path.iterdir()] == [own]
    assert own.read_text() == "mine"
    own.unlink()
    export(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    export(tmp_path)
    assert not (tmp_path / name).read_bytes().endswith(b" "), "written anew"


def test_pushing_needs_the_client_and_says_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match=r"pip install 'simo2\[hf\]'"):
        hub.require_hub()
    calls: list[tuple[str, dict[str, Any]]] = []

    class Client:
        def create_repo(self, name: str, **options: Any) -> None:
            calls.append((name, options))

        def upload_folder(self, **options: Any) -> str:
            calls.append(("upload", options))
            if options["repo_id"] == "no/entry":
                raise ValueError("401\nUnauthorized.")
            return "address"

    client = ModuleType("huggingface_hub")
    client.HfApi = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    assert hub.push(tmp_path, "me/encoder") == "address"
    assert calls[0] == ("me/encoder", {"private": True, "exist_ok": True})
    with pytest.raises(RunError, match=r"no/entry cannot be pushed: 401 Unauthorized\. .* is written"):
        hub.push(tmp_path, "no/entry")
