"""SIMO2: supervised contrastive pretraining of image encoders, on JAX and Flax NNX.

    import simo2_core as simo2

    run = simo2.fit(images, labels, steps=400).run()      # uint8 (N, H, W, ch), (N,): trains, and writes a run's folder
    encoder = simo2.load_encoder(run.path)
    features = encoder.represent(images)                  # float32 (N, F), the pooled representation
    embedding = encoder.embed(images)                     # float32 (N, D), unit rows

Importing this loads neither jax nor flax; what is used of it does. Everything is typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simo2_core.api import Fit as Fit
    from simo2_core.api import evaluate as evaluate
    from simo2_core.api import fit as fit
    from simo2_core.api import resume as resume
    from simo2_core.config import Config as Config
    from simo2_core.data.sources.given import give as give
    from simo2_core.evaluation.restore import load_encoder as load_encoder
    from simo2_core.parts import register as register
    from simo2_core.presets import PRESETS as PRESETS

_HOMES = {
    "Config": "simo2_core.config",
    "Fit": "simo2_core.api",
    "PRESETS": "simo2_core.presets",
    "evaluate": "simo2_core.api",
    "fit": "simo2_core.api",
    "give": "simo2_core.data.sources.given",
    "load_encoder": "simo2_core.evaluation.restore",
    "register": "simo2_core.parts",
    "resume": "simo2_core.api",
}

__all__ = ["PRESETS", "Config", "Fit", "evaluate", "fit", "give", "load_encoder", "register", "resume"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # seconds of jax: not for `import simo2_core`
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
