"""An optimiser held back: the encoder frozen, or slower towards the input."""

from __future__ import annotations

import re

import optax

from simo2_core.config import FinetuneConfig
from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import PREFIX


def limit_updates(optimizer: optax.GradientTransformation, config: FinetuneConfig) -> optax.GradientTransformation:
    """`optimizer`, moving only what the settings let it move."""
    if config.freeze:
        return optax.partition({"moves": optimizer, "stays": optax.set_to_zero()}, _what_moves)
    if config.layer_decay < 1:
        return optax.chain(optimizer, _slower_towards_the_input(config.layer_decay))
    return optimizer


def _what_moves(params: Arrays) -> dict[str, str]:
    return {name: "moves" if name.startswith(PREFIX) else "stays" for name in params}


def _slower_towards_the_input(decay: float) -> optax.GradientTransformation:
    """Scales each update by decay^(blocks between it and the classifier).

    Source: Howard & Ruder, "Universal Language Model Fine-tuning", arXiv 1801.06146, section 3.2.
    """

    def scale(updates: Arrays, params: Arrays | None) -> Arrays:
        depths = {name: _depth(name) for name in updates}
        after = 1 + max(depth for depth in depths.values() if depth is not None)
        return {
            name: value if (depth := depths[name]) is None else value * decay ** (after - depth)
            for name, value in updates.items()
        }

    return optax.stateless(scale)


def _depth(name: str) -> int | None:
    """0 for what is before the blocks, i + 1 for block i, None for what follows the encoder."""
    block = re.match(r"encoder/block(\d+)/", name)
    if block:
        return int(block[1]) + 1
    if name.startswith("encoder/final_"):
        return None
    return 0 if name.startswith("encoder/") else None
