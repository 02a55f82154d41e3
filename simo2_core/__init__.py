"""SIMO2: supervised contrastive pretraining of image encoders, on JAX and Flax NNX.

from simo2_core import load_encoder

encoder = load_encoder("runs/digits-20260102-030405")
features = encoder.represent(images)    # uint8 (N, H, W, ch) -> float32 (N, F), the pooled representation
embedding = encoder.embed(images)       # uint8 (N, H, W, ch) -> float32 (N, D), unit rows
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simo2_core.evaluation.restore import load_encoder as load_encoder

__all__ = ["load_encoder"]


def __getattr__(name: str) -> Any:
    if name == "load_encoder":  # seconds of jax: not for `import simo2_core`
        from simo2_core.evaluation.restore import load_encoder

        return load_encoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
