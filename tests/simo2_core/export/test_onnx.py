"""Encoders as ONNX graphs, run by ONNX Runtime: the same numbers, for any number of images."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest

from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.augment import normalise
from simo2_core.errors import RunError
from simo2_core.export.onnx_trace import graph_of
from simo2_core.model.network import first_weights

VIT = {"encoder": "vit_small", "token_width": 8, "heads": 2, "layers": 1, "patch_size": 4, "position_grid": 2}
ENCODERS: dict[str, tuple[int, dict[str, Any]]] = {
    "yatcnn": (9, {"encoder": "yatcnn", "widths": "4,6", "stem_width": 4}),
    "cnn": (9, {"encoder": "cnn", "widths": "4,6"}),
    "resnet18": (9, {"encoder": "resnet18", "widths": "4,6", "norm": "batch"}),
    "resnet18, groups": (9, {"encoder": "resnet18", "widths": "4,6"}),
    "airbench": (9, {"encoder": "airbench", "groups": "4,6"}),
    "airbench, groups": (9, {"encoder": "airbench", "groups": "4,6", "group_norm": "group"}),
    "yat_airbench": (9, {"encoder": "yat_airbench", "groups": "4,6"}),
    "resnet50_imagenet": (33, {"encoder": "resnet50_imagenet", "stage_widths": "4,6", "stage_depths": "1,1"}),
    "convnext_tiny": (16, {"encoder": "convnext_tiny", "stage_widths": "4,6", "stage_depths": "1,1"}),
    "vit_small": (12, {**VIT, "registers": 2}),
    "vit_small, rotary": (12, {**VIT, "positions": "rotary"}),
}


def run(file: bytes, images: Any) -> Any:
    onnxruntime.set_default_logger_severity(3)  # it tells of nodes that it folds
    return onnxruntime.InferenceSession(file).run(["representation", "embedding"], {"images": images})


@pytest.mark.parametrize("name", ENCODERS)
def test_onnx_runtime_gives_the_same_numbers(name: str) -> None:
    side, changes = ENCODERS[name]
    network, params, stats = first_weights(Config().replace(changes).model, 0, 3)
    draw = np.random.default_rng(0)
    params = {key: value + 0.1 * draw.standard_normal(value.shape).astype(np.float32) for key, value in params.items()}
    mean, std = jnp.array([0.5, 0.4, 0.3]), jnp.array([0.3, 0.2, 0.25])

    def embed(images: Any) -> Any:
        return network.infer(params, stats, normalise(images, mean, std))

    file = graph_of(embed, (side, side, 3), ("representation", "embedding"), {"a": "b"}, "test")
    images = draw.integers(0, 256, (3, side, side, 3), np.uint8)
    here, there = jit(embed)(images), run(file, images)
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4 * np.abs(ours).max())
    np.testing.assert_allclose(run(file, images[:1])[0], there[0][:1], rtol=1e-4, atol=1e-6)  # any number of images


def test_what_onnx_is_not_told_is_refused_by_its_name() -> None:
    def sorts(images: Any) -> Any:
        return (jnp.sort(images.astype(jnp.float32), axis=1),)

    with pytest.raises(RunError, match="holds sort, which is not written as ONNX"):
        graph_of(sorts, (2, 2, 1), ("representation",), {}, "test")


def test_an_encoder_that_mixes_images_is_refused() -> None:
    def first(images: Any) -> Any:
        return (images[:1].astype(jnp.float32),)

    with pytest.raises(RunError, match="representation has not a row for each image"):
        graph_of(first, (2, 2, 1), ("representation",), {}, "test")
