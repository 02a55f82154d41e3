"""What an encoder is fitted on before its first step: values that follow from training images, and are not trained."""

from __future__ import annotations

from typing import Any

from flax import nnx


class Fitted(nnx.Variable[Any]):
    """An array that `fit` sets once, from training images: frozen from then on, saved and exported with the rest."""
