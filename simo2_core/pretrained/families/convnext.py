"""ConvNeXt, as timm, torchvision and transformers name its arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simo2_core.encoders.convnext import PUBLISHED_DEPTHS, PUBLISHED_WIDTHS, ConvNeXtTiny
from simo2_core.encoders.encoder import Encoder
from simo2_core.pretrained.table import (
    CONV,
    DEPTHWISE,
    LINEAR,
    OF_CHANNELS,
    SAME,
    WeightEntry,
    WeightLayout,
    affine,
    with_bias,
)

LIBRARIES = (TIMM, TORCHVISION, TRANSFORMERS) = ("timm", "torchvision", "transformers")
PREFIXES = ("convnext.",)
ARCHITECTURES = r"convnext_(tiny|small|base|large|xlarge)|ConvNext(Model|ForImageClassification|Backbone)"
SIZE = 224

_STEM = {
    TIMM: ("stem.0", "stem.1"),
    TORCHVISION: ("features.0.0", "features.0.1"),
    TRANSFORMERS: ("embeddings.patch_embeddings", "embeddings.layernorm"),
}
_FINAL = {TIMM: "head.norm", TORCHVISION: "classifier.0", TRANSFORMERS: "layernorm"}
_BLOCK = {
    TIMM: ("conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma"),
    TORCHVISION: ("block.0", "block.2", "block.3", "block.5", "layer_scale"),
    TRANSFORMERS: ("dwconv", "layernorm", "pwconv1", "pwconv2", "layer_scale_parameter"),
}


def recognise(shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any]) -> tuple[Encoder, str] | None:
    """The encoder that a file with such arrays holds, and whose names they are; None for another family."""
    library = next((one for one in LIBRARIES if f"{_block(one, 0, 0)}.{_BLOCK[one][0]}.weight" in shapes), None)
    if library is None:
        return None
    widths: list[int] = []
    depths: list[int] = []
    while len(depths) < 16:
        depth = 0
        while (name := f"{_block(library, len(depths), depth)}.{_BLOCK[library][0]}.weight") in shapes:
            width, depth = shapes[name][0], depth + 1
        if not depth:
            break
        widths.append(width)
        depths.append(depth)
    return (
        ConvNeXtTiny(
            stage_widths=() if tuple(widths) == PUBLISHED_WIDTHS else tuple(widths),
            stage_depths=() if tuple(depths) == PUBLISHED_DEPTHS else tuple(depths),
        ),
        library,
    )


def claims(encoder: Encoder) -> bool:
    """Whether an encoder is of this family."""
    return isinstance(encoder, ConvNeXtTiny)


def architecture(encoder: Encoder, library: str) -> str | None:
    """What the library calls a network like this one; None where it has none."""
    assert isinstance(encoder, ConvNeXtTiny)
    return None if encoder.stage_widths or encoder.stage_depths else "convnext_tiny"


def layout(encoder: Encoder, library: str) -> WeightLayout:
    """The table of an encoder."""
    assert isinstance(encoder, ConvNeXtTiny)
    return WeightLayout(library, tuple(_entries(encoder, library)), r"head\.fc\..*|classifier\.(2\.)?(weight|bias)")


def _block(library: str, stage: int, place: int) -> str:
    if library == TIMM:
        return f"stages.{stage}.blocks.{place}"
    if library == TORCHVISION:
        return f"features.{2 * stage + 1}.{place}"
    return f"encoder.stages.{stage}.layers.{place}"


def _halving(library: str, stage: int) -> str:
    if library == TIMM:
        return f"stages.{stage}.downsample"
    return f"features.{2 * stage}" if library == TORCHVISION else f"encoder.stages.{stage}.downsampling_layer"


def _entries(encoder: ConvNeXtTiny, library: str) -> Iterator[WeightEntry]:
    convolution, norm = _STEM[library]
    yield from with_bias("stem", convolution, CONV)
    yield from affine("norm", norm)
    depthwise, norm, widen, narrow, scale = _BLOCK[library]
    index = 0
    for stage, depth in enumerate(encoder.depths):
        for place in range(depth):
            ours, theirs = f"block{index}", _block(library, stage, place)
            if stage and not place:
                yield from affine(f"{ours}/down_norm", f"{_halving(library, stage)}.0")
                yield from with_bias(f"{ours}/down", f"{_halving(library, stage)}.1", CONV)
            yield from with_bias(f"{ours}/conv", f"{theirs}.{depthwise}", DEPTHWISE)
            yield from affine(f"{ours}/norm", f"{theirs}.{norm}")
            yield from with_bias(f"{ours}/mlp/fc1", f"{theirs}.{widen}", LINEAR)
            yield from with_bias(f"{ours}/mlp/fc2", f"{theirs}.{narrow}", LINEAR)
            form = OF_CHANNELS if library == TORCHVISION else SAME
            yield WeightEntry(f"{ours}/scale", (f"{theirs}.{scale}",), form)
            index += 1
    yield from affine("final_norm", _FINAL[library])
