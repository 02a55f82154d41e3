"""What timm, torchvision and transformers make of their networks, for `tests/peers/compare.py`.

Run it in an environment of its own, which simo2 does not need:

    python3.11 -m venv /tmp/peers && /tmp/peers/bin/pip install torch torchvision timm transformers
    /tmp/peers/bin/python -m tests.peers.answers tiny tests/simo2_core/golden/peers.json.xz
    /tmp/peers/bin/python -m tests.peers.answers full /tmp/answers.json.xz

The file has the names and shapes of each network's arrays, what images went in, and the features that came out. The
arrays are those of `tests/peers/drawn.py`.
"""

import json
import lzma
import sys
from pathlib import Path
from typing import Any

import torch

try:
    import torchvision
except RuntimeError:  # built for another torch: its networks work, its own operators are not needed
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
import timm
import transformers as hugging

from tests.peers.drawn import images_of, weights_of

__all__ = ["timm", "torch", "torchvision"]

Cases = dict[str, tuple[Any, int, dict[str, Any]]]
"""By name: a network, the side of the images, and what its config.json says beside."""


def tiny() -> Cases:
    """Networks of a few thousand weights: every kind of block, names of every library."""
    narrow = {"depths": [1, 2], "hidden_sizes": [4, 8], "embedding_size": 4}
    vit = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "patch_size": 4,
    }
    heads = {"num_attention_heads": 2}
    convnext = torchvision.models.convnext
    stages = [convnext.CNBlockConfig(4, 6, 1), convnext.CNBlockConfig(6, None, 2)]
    timm_vit = {"embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0, "patch_size": 4}
    return {
        "timm resnet basic": (_timm_resnet(timm.models.resnet.BasicBlock), 33, {}),
        "timm resnet bottleneck": (_timm_resnet(timm.models.resnet.Bottleneck), 32, {}),
        "transformers resnet basic": (hugging.ResNetModel(hugging.ResNetConfig(layer_type="basic", **narrow)), 32, {}),
        "transformers resnet bottleneck": (
            hugging.ResNetModel(hugging.ResNetConfig(**(narrow | {"hidden_sizes": [16, 32]}))), 32, {},
        ),
        "timm convnext": (
            timm.models.convnext.ConvNeXt(depths=(1, 1, 2, 1), dims=(2, 4, 6, 8), num_classes=0), 64, {},
        ),
        "torchvision convnext": (convnext.ConvNeXt(stages), 32, {}),
        "transformers convnext": (
            hugging.ConvNextModel(hugging.ConvNextConfig(depths=[1, 2], hidden_sizes=[4, 6], num_stages=2)), 32, {},
        ),
        "timm dinov2": (timm.create_model("vit_small_patch14_dinov2", img_size=12, **timm_vit), 12, heads),
        "timm dinov2 resized": (
            timm.create_model("vit_small_patch14_dinov2", img_size=20, dynamic_img_size=True, **timm_vit), 12, heads,
        ),
        "timm dinov2 registers": (
            timm.create_model("vit_small_patch14_reg4_dinov2", img_size=12, **timm_vit), 12, heads,
        ),
        "timm vit": (timm.create_model("vit_small_patch16_224", img_size=12, **timm_vit), 12, heads),
        "timm dinov3": (
            timm.create_model("vit_small_patch16_dinov3", global_pool="token", **timm_vit), 12, heads,
        ),
        "timm dinov3 as it pools by itself": (
            timm.create_model("vit_small_patch16_dinov3", **timm_vit), 12, heads | {"global_pool": "avg"},
        ),
        "timm dinov3 with biases": (
            timm.create_model("vit_small_patch16_dinov3_qkvb", global_pool="token", **timm_vit), 12, heads,
        ),
        "transformers dinov2": (hugging.Dinov2Model(hugging.Dinov2Config(image_size=12, **vit)), 12, heads),
        "transformers dinov2 registers": (
            hugging.Dinov2WithRegistersModel(hugging.Dinov2WithRegistersConfig(image_size=12, **vit)), 12, heads,
        ),
        "transformers dinov3": (
            hugging.DINOv3ViTModel(hugging.DINOv3ViTConfig(num_register_tokens=4, image_size=12, **vit)), 12, heads,
        ),
    }  # fmt: skip


def _timm_resnet(block: Any) -> Any:
    return timm.models.resnet.ResNet(block, (1, 2, 1, 1), channels=(64, 4, 4, 4), num_classes=0)


def full() -> Cases:
    """Networks as published, but for their weights."""
    models = torchvision.models
    return {
        **{f"torchvision {name}": (getattr(models, name)(), 96, {}) for name in ("resnet18", "resnet34", "resnet50")},
        "timm resnet50": (timm.create_model("resnet50", num_classes=0), 224, {}),
        "transformers resnet50": (hugging.ResNetModel(hugging.ResNetConfig()), 96, {}),
        "timm convnext_tiny": (timm.create_model("convnext_tiny", num_classes=0), 96, {}),
        "torchvision convnext_tiny": (models.convnext_tiny(), 96, {}),
        "transformers convnext_tiny": (hugging.ConvNextModel(hugging.ConvNextConfig()), 96, {}),
        "timm dinov2 at 518": (timm.create_model("vit_small_patch14_dinov2", num_classes=0), 518, {}),
        "timm dinov2 at 224": (
            timm.create_model("vit_small_patch14_dinov2", num_classes=0, dynamic_img_size=True), 224, {},
        ),
        "timm dinov2 registers": (timm.create_model("vit_small_patch14_reg4_dinov2", num_classes=0), 518, {}),
        "timm dinov3": (
            timm.create_model("vit_small_patch16_dinov3", num_classes=0, global_pool="token"), 224, {},
        ),
        "timm dinov3 as it pools by itself": (
            timm.create_model("vit_small_patch16_dinov3", num_classes=0), 224, {"global_pool": "avg"},
        ),
        "transformers dinov2": (
            hugging.Dinov2Model(
                hugging.Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
            ), 518, {},
        ),
        "transformers dinov3": (hugging.DINOv3ViTModel(hugging.DINOv3ViTConfig(num_register_tokens=4)), 224, {}),
    }  # fmt: skip


def answer(name: str, network: Any, side: int, facts: dict[str, Any]) -> dict[str, Any]:
    """What a network makes of the images, with the weights of its arrays' names."""
    held = network.state_dict()
    shapes = {key: tuple(value.shape) for key, value in held.items()}
    given = {key: torch.from_numpy(weights_of(key, shape)).to(held[key].dtype) for key, shape in shapes.items()}
    network.load_state_dict(given)
    images = torch.from_numpy(images_of(name, side).transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        features = _features(network.eval(), images)
    return {"shapes": shapes, "side": side, "facts": facts, "features": features.double().numpy().round(6).tolist()}


def _features(network: Any, images: Any) -> Any:
    if isinstance(network, hugging.PreTrainedModel):
        return network(images).pooler_output.flatten(1)
    if hasattr(network, "forward_head"):
        return network(images)
    if isinstance(network, torchvision.models.ResNet):
        network.fc = torch.nn.Identity()
        return network(images)
    network.classifier = network.classifier[:2]  # of ConvNeXt: norm, and no head
    return network(images)


def main(size: str, out: str) -> None:
    """Writes the answers of `tiny` or `full`."""
    cases = {"tiny": tiny, "full": full}[size]()
    written = {}
    for name, (network, side, facts) in cases.items():
        written[name] = answer(name, network, side, facts)
        print(f"{name}: {len(written[name]['shapes'])} arrays", flush=True)
    Path(out).write_bytes(lzma.compress(json.dumps(written).encode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
