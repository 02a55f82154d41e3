"""ResNet-18, 34 and 50 with the 7×7 stem, as timm, torchvision and transformers name their arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.resnet_imagenet import (
    PUBLISHED_WIDTHS,
    ImageNetResNet,
    ResNet18ImageNet,
    ResNet34ImageNet,
    ResNet50ImageNet,
)
from simo2_core.pretrained.table import CONV, WeightEntry, WeightLayout, batch_norm

TIMM, TORCHVISION, TRANSFORMERS = "timm", "torchvision", "transformers"
LIBRARIES = (TIMM, TORCHVISION, TRANSFORMERS)
PREFIXES = ("resnet.",)
ARCHITECTURES = r"(tv_)?resnet(18|26|34|50|101|152)|ResNet(Model|ForImageClassification|Backbone)"
"""Those of a config.json that are this family: others share names of arrays and compute something else."""
SIZE = 224


def recognise(shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any]) -> tuple[Encoder, str] | None:
    """The encoder that a file with such arrays holds, and whose names they are; None for another family."""
    library = TIMM if "layer1.0.conv1.weight" in shapes and "conv1.weight" in shapes else TRANSFORMERS
    if library == TRANSFORMERS and "embedder.embedder.convolution.weight" not in shapes:
        return None
    depths: list[int] = []
    while _names(library, len(depths), 0)[0] in shapes and len(depths) < 16:
        stage, depth = len(depths), 0
        while _names(library, stage, depth)[0] in shapes:
            depth += 1
        depths.append(depth)
    bottleneck = _names(library, 0, 0)[2] in shapes
    widths = tuple(shapes[_names(library, stage, 0)[0]][0] for stage in range(len(depths)))
    kinds: tuple[type[ImageNetResNet], ...] = (ResNet18ImageNet, ResNet34ImageNet, ResNet50ImageNet)
    fitting = [kind for kind in kinds if kind.bottleneck == bottleneck]
    kind = next((one for one in fitting if one.published_depths == tuple(depths)), fitting[0])
    return (
        kind(
            stage_widths=() if widths == PUBLISHED_WIDTHS else widths,
            stage_depths=() if tuple(depths) == kind.published_depths else tuple(depths),
        ),
        library,
    )


def claims(encoder: Encoder) -> bool:
    """Whether an encoder is of this family."""
    return isinstance(encoder, ImageNetResNet)


def architecture(encoder: Encoder, library: str) -> str | None:
    """What the library calls a network like this one; None where it has none."""
    assert isinstance(encoder, ImageNetResNet)
    if encoder.stage_widths or encoder.stage_depths:
        return None
    return encoder.name.removesuffix("_imagenet")


def layout(encoder: Encoder, library: str) -> WeightLayout:
    """The table of an encoder."""
    assert isinstance(encoder, ImageNetResNet)
    return WeightLayout(library, tuple(_entries(encoder, library)), r"(.*\.)?num_batches_tracked|(fc|classifier)\..*")


def _names(library: str, stage: int, place: int) -> tuple[str, str, str]:
    """The weights of the convolutions of a block; the third is a bottleneck's alone."""
    if library == TRANSFORMERS:
        block = f"encoder.stages.{stage}.layers.{place}"
        return tuple(f"{block}.layer.{index}.convolution.weight" for index in range(3))  # type: ignore[return-value]
    return tuple(f"layer{stage + 1}.{place}.conv{index}.weight" for index in range(1, 4))  # type: ignore[return-value]


def _entries(encoder: ImageNetResNet, library: str) -> Iterator[WeightEntry]:
    hugging = library == TRANSFORMERS
    yield WeightEntry("stem/kernel", ("embedder.embedder.convolution.weight" if hugging else "conv1.weight",), CONV)
    yield from batch_norm("norm", "embedder.embedder.normalization" if hugging else "bn1")
    index, narrow, convolutions = 0, encoder.stem_width, 3 if encoder.bottleneck else 2
    for stage, (depth, wide) in enumerate(zip(encoder.depths, encoder.stages, strict=True)):
        for place in range(depth):
            ours, block = f"block{index}", f"encoder.stages.{stage}.layers.{place}"
            for number, name in enumerate(_names(library, stage, place)[:convolutions], 1):
                norm = (
                    f"{block}.layer.{number - 1}.normalization" if hugging else f"layer{stage + 1}.{place}.bn{number}"
                )
                yield WeightEntry(f"{ours}/conv{number}/kernel", (name,), CONV)
                yield from batch_norm(f"{ours}/norm{number}", norm)
            if narrow != wide or (stage and not place):
                shortcut = f"{block}.shortcut" if hugging else f"layer{stage + 1}.{place}.downsample"
                first, second = ("convolution", "normalization") if hugging else ("0", "1")
                yield WeightEntry(f"{ours}/shortcut/kernel", (f"{shortcut}.{first}.weight",), CONV)
                yield from batch_norm(f"{ours}/shortcut_norm", f"{shortcut}.{second}")
            index, narrow = index + 1, wide
