"""What a run needs of memory at the least, by arithmetic alone: known before anything is allocated or compiled.

A lower bound, so that nothing is refused that would run: the weights that the encoder says it has and those of the
projection head, their gradient and the optimiser's copies, the batch, its embedding, and one map for each stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simo2_core.config import Config
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.placement import human_bytes
from simo2_core.recipes import beside

_FLOAT = 4
"""Bytes of a weight: they are float32 whatever the encoder multiplies in."""
_COPIES = {"adam": 2, "adamw": 2, "novograd": 1, "rmsprop": 1, "muon": 1}
"""What an optimiser keeps for each weight, at the least."""
_SHARE = 0.5
"""Share of the memory that a suggestion may take: a lower bound is not all that is taken."""


@dataclass(frozen=True)
class Needs:
    """Bytes on one device, at the least."""

    encoder: int
    """Its weights, with gradient and optimiser."""
    head: int
    """Those of the projection head."""
    embedding: int
    """The embedding of a batch and its gradient."""
    images: int
    """The batch and the maps that its gradient is computed from."""
    batch: int
    """Not bytes: the images of it."""

    @property
    def weights(self) -> int:
        """What is there whatever the batch."""
        return self.encoder + self.head

    @property
    def total(self) -> int:
        """All of them, which there are at once."""
        return self.encoder + self.head + self.embedding + self.images


def needs_of(config: Config, facts: DatasetFacts, devices: int = 1) -> Needs:
    """What training by `config` needs on each of the `devices` that share a batch."""
    copies = (1 if config.tune.freeze else 2) + _COPIES.get(config.optim.optimizer, 0)
    copies += bool(config.optim.average)
    groups = facts.images if config.data.labels == "none" else facts.classes
    batch = max(1, config.classes_per_batch(groups) * config.samples_per_class // devices)
    height, width, channels = (side or 1 for side in facts.image_shape)  # 0 while unknown
    encoder, size = config.model.encoder, config.model.embedding_size
    together = min(config.chunk_size or batch, batch)
    kept = _maps(config, height, width)
    activations = together * (max(kept) if config.tune.freeze else sum(kept))
    return Needs(
        encoder=copies * _FLOAT * encoder.weights(channels),
        head=copies * _FLOAT * (encoder.features + 1) * size,
        embedding=2 * _FLOAT * batch * size,
        images=batch * height * width * channels * (_FLOAT + 1) + activations,
        batch=batch,
    )


def _maps(config: Config, height: int, width: int) -> list[int]:
    """Bytes of the map that each stage makes of one image, as small as it can be computed."""
    if not config.model.encoder.weights(1):
        return [0]
    each = _FLOAT if config.model.precision == "float32" else 2
    sizes, shrink = [], config.model.encoder.first_shrink
    height, width = -(-height // shrink), -(-width // shrink)
    for channels in config.model.encoder.stages:
        sizes.append(each * height * width * channels)
        height, width = -(-height // 2), -(-width // 2)
    return sizes


def too_much(config: Config, facts: DatasetFacts, free: int, device: str, devices: int = 1) -> tuple[str, str] | None:
    """What is wrong and what would fit, where a run needs more than `free` bytes; None where it may fit."""
    needs = needs_of(config, facts, devices)
    if needs.total <= free:
        return None
    parts = {
        f"the weights of the encoder, with gradient and optimiser, {human_bytes(needs.encoder)}": needs.encoder,
        f"those of the projection head {human_bytes(needs.head)}": needs.head,
        f"the embedding of a batch {human_bytes(needs.embedding)}": needs.embedding,
        f"its images and their maps {human_bytes(needs.images)}": needs.images,
    }
    worst = sorted(parts, key=lambda part: -parts[part])[:2]
    message = (
        f"training needs {human_bytes(needs.total)} of memory or more, and {device} has {human_bytes(free)} free: "
        f"{', '.join(worst)}."
    )
    return message, cure(config, needs, _SHARE * free)


def cure(config: Config, needs: Needs, room: float) -> str:
    """The setting to blame, and the value of it with which `room` bytes would be enough."""
    by_size = needs.head + needs.embedding
    if by_size >= max(needs.encoder, needs.images):
        size = int(config.model.embedding_size * (room - needs.encoder - needs.images) / by_size)
        if size >= 2:
            return f"Use --embedding-size {size} or less."
        return "Use a far smaller --embedding-size."
    if needs.encoder >= needs.images:
        factor = math.sqrt(max(0.0, room - needs.images - by_size) / needs.encoder)
        widths = [max(1, int(width * factor)) for width in getattr(config.model.encoder, "widths", ())]
        return f"Use --widths {','.join(map(str, widths))} or smaller." if widths else "Use a smaller --encoder."
    share = max(0.0, room - needs.weights) / (needs.images + needs.embedding)
    classes = int(needs.batch * share) // config.samples_per_class
    if classes >= 2:
        fewer = beside(config.recipe, f"--batch-size {classes * config.samples_per_class}")
        return f"Use {fewer} or less, or a smaller --image-size."
    return "Use a smaller --image-size, --batch-size or --samples-per-class."
