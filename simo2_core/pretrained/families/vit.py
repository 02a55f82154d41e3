"""ViT as DINOv2 and DINOv3 have it, as timm and transformers name its arrays.

A plain ViT without LayerScale is the same with scales of 1. A file without biases of query, key and value, as DINOv3
has them, is the same with biases of 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.vit import ViTSmall
from simo2_core.pretrained.table import (
    CONV,
    FIRST_AND_THIRD,
    GRID,
    GRID_AFTER_CLASS,
    LINEAR,
    SAME,
    THREE,
    THREE_LINEAR,
    TOKEN_AND_POSITION,
    TOKENS,
    WeightEntry,
    WeightLayout,
    affine,
    with_bias,
)

LIBRARIES = (TIMM, TRANSFORMERS) = ("timm", "transformers")
PREFIXES = ("dinov2.", "dinov2_with_registers.", "dinov3_vit.", "vit.")
ARCHITECTURES = (
    r"vit_(tiny|small|base|large)_patch\d+(_reg4)?_(dinov2|dinov3|224|384|518)(_qkvb)?|vit_(tiny|small|base)_patch\d+"
    r"|(Dinov2|Dinov2WithRegisters|DINOv3ViT)(Model|Backbone|ForImageClassification)"
)
SIZE = 224
FEATURES_OF_HEAD = 64
"""What every published size has; a file does not say it."""


def recognise(shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any]) -> tuple[Encoder, str] | None:
    """The encoder that a file with such arrays holds, and whose names they are; None for another family."""
    if "blocks.0.attn.qkv.weight" in shapes and "cls_token" in shapes:
        return _of_timm(shapes, facts), TIMM
    if "embeddings.cls_token" in shapes and f"{_layer(shapes)}.0.norm1.weight" in shapes:
        return _of_transformers(shapes, facts), TRANSFORMERS
    return None


def _of_timm(shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any]) -> Encoder:
    """Its DINOv3 pools the mean of the patches, by what its config.json says."""
    patch = shapes["patch_embed.proj.weight"]
    layers = _count(shapes, "blocks.{}.norm1.weight")
    registers = shapes.get("reg_token", (1, 0))[1]
    positions = shapes["pos_embed"][1] - (not registers) if "pos_embed" in shapes else 0
    pooling = "patches" if facts.get("global_pool") == "avg" else "token"
    return _made(patch, layers, registers, positions, facts, pooling)


def _of_transformers(shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any]) -> Encoder:
    learned = shapes.get("embeddings.position_embeddings")
    patch = shapes["embeddings.patch_embeddings" + (".projection" if learned else "") + ".weight"]
    layers = _count(shapes, _layer(shapes) + ".{}.norm1.weight")
    registers = shapes.get("embeddings.register_tokens", (1, 0))[1]
    return _made(patch, layers, registers, learned[1] - 1 if learned else 0, facts)


def _made(
    patch: tuple[int, ...],
    layers: int,
    registers: int,
    positions: int,
    facts: Mapping[str, Any],
    pooling: str = "token",
) -> ViTSmall:
    """The encoder; `positions` are those learned, 0 for rotary ones."""
    heads = facts.get("num_attention_heads", max(1, patch[0] // FEATURES_OF_HEAD))
    learned = {"positions": "learned", "position_grid": round(positions**0.5)}
    return ViTSmall(
        patch_size=patch[-1],
        token_width=patch[0],
        layers=layers,
        heads=heads,
        registers=registers,
        pooling=pooling,
        **(learned if positions else {"positions": "rotary"}),
    )


def _count(shapes: Mapping[str, tuple[int, ...]], name: str) -> int:
    count = 0
    while name.format(count) in shapes:
        count += 1
    return count


def _layer(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return "encoder.layer" if "encoder.layer.0.norm1.weight" in shapes else "layer"


def claims(encoder: Encoder) -> bool:
    """Whether an encoder is of this family."""
    return isinstance(encoder, ViTSmall)


def architecture(encoder: Encoder, library: str) -> str | None:
    """What the library calls a network like this one; None where it has none."""
    assert isinstance(encoder, ViTSmall)
    if (encoder.token_width, encoder.layers, encoder.heads) != (384, 12, 6):
        return None
    kind = (encoder.patch_size, encoder.registers, encoder.positions)
    return {
        (14, 0, "learned"): "vit_small_patch14_dinov2",
        (14, 4, "learned"): "vit_small_patch14_reg4_dinov2",
        (16, 4, "rotary"): "vit_small_patch16_dinov3_qkvb",
    }.get(kind)


def layout(encoder: Encoder, library: str) -> WeightLayout:
    """The table of an encoder."""
    assert isinstance(encoder, ViTSmall)
    entries = _timm(encoder) if library == TIMM else _transformers(encoder)
    return WeightLayout(library, tuple(entries), r"(embeddings\.)?mask_token|(head|classifier)\..*|rope\..*")


def _timm(encoder: ViTSmall) -> Iterator[WeightEntry]:
    yield from with_bias("stem", "patch_embed.proj", CONV)
    if encoder.positions == "rotary":
        yield WeightEntry("token", ("cls_token",), TOKENS)
    elif encoder.registers:  # with registers, timm keeps the class token's position in the token
        yield WeightEntry("token", ("cls_token",), TOKENS)
        yield WeightEntry("positions", ("pos_embed",), GRID)
    else:
        yield WeightEntry("token", ("cls_token", "pos_embed"), TOKEN_AND_POSITION)
        yield WeightEntry("positions", ("pos_embed",), GRID_AFTER_CLASS)
    if encoder.registers:
        yield WeightEntry("registers", ("reg_token",), TOKENS)
    scales = ("gamma_1", "gamma_2") if encoder.positions == "rotary" else ("ls1.gamma", "ls2.gamma")
    for index in range(encoder.layers):
        ours, theirs = f"block{index}", f"blocks.{index}"
        yield WeightEntry(f"{ours}/attention/qkv/kernel", (f"{theirs}.attn.qkv.weight",), LINEAR)
        if encoder.positions == "rotary":
            biases = (f"{theirs}.attn.q_bias", f"{theirs}.attn.v_bias")
            yield WeightEntry(f"{ours}/attention/qkv/bias", biases, FIRST_AND_THIRD, absent=0)
        else:
            yield WeightEntry(f"{ours}/attention/qkv/bias", (f"{theirs}.attn.qkv.bias",), SAME, absent=0)
        yield from with_bias(f"{ours}/attention/proj", f"{theirs}.attn.proj", LINEAR)
        for number, scale in enumerate(scales, 1):
            yield from affine(f"{ours}/norm{number}", f"{theirs}.norm{number}")
            yield WeightEntry(f"{ours}/scale{number}", (f"{theirs}.{scale}",), SAME, absent=1)
            yield from with_bias(f"{ours}/mlp/fc{number}", f"{theirs}.mlp.fc{number}", LINEAR)
    yield from affine("final_norm", "norm")


def _transformers(encoder: ViTSmall) -> Iterator[WeightEntry]:
    rotary = encoder.positions == "rotary"
    yield from with_bias("stem", "embeddings.patch_embeddings" + ("" if rotary else ".projection"), CONV)
    if rotary:
        yield WeightEntry("token", ("embeddings.cls_token",), TOKENS)
    else:
        learned = "embeddings.position_embeddings"
        yield WeightEntry("token", ("embeddings.cls_token", learned), TOKEN_AND_POSITION)
        yield WeightEntry("positions", (learned,), GRID_AFTER_CLASS)
    if encoder.registers:
        yield WeightEntry("registers", ("embeddings.register_tokens",), TOKENS)
    mlp = ("up_proj", "down_proj") if rotary else ("fc1", "fc2")
    for index in range(encoder.layers):
        ours, theirs = f"block{index}", f"{'layer' if rotary else 'encoder.layer'}.{index}"
        each = [f"{theirs}.attention.{name}_proj" for name in "qkv"]
        yield WeightEntry(f"{ours}/attention/qkv/kernel", tuple(f"{name}.weight" for name in each), THREE_LINEAR)
        biases, form = (each[::2], FIRST_AND_THIRD) if rotary else (each, THREE)
        yield WeightEntry(f"{ours}/attention/qkv/bias", tuple(f"{name}.bias" for name in biases), form, absent=0)
        yield from with_bias(f"{ours}/attention/proj", f"{theirs}.attention.o_proj", LINEAR)
        for number in (1, 2):
            yield from affine(f"{ours}/norm{number}", f"{theirs}.norm{number}")
            yield WeightEntry(f"{ours}/scale{number}", (f"{theirs}.layer_scale{number}.lambda1",), SAME, absent=1)
            yield from with_bias(f"{ours}/mlp/fc{number}", f"{theirs}.mlp.{mlp[number - 1]}", LINEAR)
    yield from affine("final_norm", "norm" if rotary else "layernorm")
