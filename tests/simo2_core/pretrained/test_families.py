"""Every table of names, by the features that the libraries themselves gave: no torch is needed here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.encoders.convnext import ConvNeXtTiny
from simo2_core.encoders.resnet_imagenet import ResNet18ImageNet, ResNet50ImageNet
from simo2_core.encoders.vit import ViTSmall
from simo2_core.model.network import Packing
from simo2_core.pretrained.recognise import FAMILIES, family_of
from tests.peers.compare import difference, read_answers

ANSWERS = read_answers(Path(__file__).parents[1] / "golden" / "peers.json.xz")
PUBLISHED = (
    ResNet18ImageNet(),
    ResNet50ImageNet(),
    ConvNeXtTiny(),
    ViTSmall(),
    ViTSmall(registers=4),
    ViTSmall(patch_size=16, registers=4, positions="rotary"),
)


@pytest.mark.parametrize("name", ANSWERS)
def test_features_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    assert difference(tmp_path / "weights", name, ANSWERS[name]) < 1e-5


def shapes_of(encoder: Any) -> dict[str, tuple[int, ...]]:
    network = nnx.eval_shape(lambda: encoder.build(3, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    return {name: value.shape for name, value in Packing.of(nnx.split(network)[1])[1].items()}


@pytest.mark.parametrize("encoder", PUBLISHED, ids=lambda encoder: f"{encoder.name}-{encoder.features}")
def test_every_array_is_in_each_table_once_and_comes_back_the_same(encoder: Any) -> None:
    family = family_of(encoder)
    assert family is not None
    shapes = shapes_of(encoder)
    for library in family.LIBRARIES:
        layout = family.layout(encoder, library)
        assert sorted(entry.ours for entry in layout.entries) == sorted(shapes)
        theirs = {name: shape for entry in layout.entries for name, shape in entry.shapes(shapes[entry.ours]).items()}
        assert family.recognise(theirs, {}) == (
            encoder,
            "timm" if library == "torchvision" and family is FAMILIES[0] else library,
        )
        assert not layout.strange(list(theirs))


def test_tables_read_what_they_write(weights: Callable[[str], Path]) -> None:
    encoder = ViTSmall(token_width=8, layers=1, heads=2, registers=2, patch_size=2, position_grid=2)
    draw = np.random.default_rng(0)
    arrays = {name: draw.random(shape, np.float32) for name, shape in shapes_of(encoder).items()}
    for library in FAMILIES[2].LIBRARIES:
        layout = FAMILIES[2].layout(encoder, library)
        written = layout.written(arrays)
        for entry in layout.entries:
            back = entry.form.read([written[name] for name in entry.theirs])
            np.testing.assert_array_equal(back, arrays[entry.ours], err_msg=f"{library} {entry.ours}")
