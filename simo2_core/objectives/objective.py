"""What an objective is: a loss of what a training pass saw, and the parameters of its own that it needs for that."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array

from simo2_core.model.network import Arrays

PREFIX = "objective/"
"""Under which an objective's own parameters lie among those that are trained."""


class Seen(NamedTuple):
    """What a training pass saw of one batch: C classes of k samples, k rows of one class after another."""

    embedding: Array
    """(C, k, D) unit rows."""
    representation: Array
    """(C*k, F)"""
    classes: Array
    """(C,) int32, the class of each group."""
    images: Array
    """(C*k, H, W, ch) float32, normalised, as the augmentation left them."""


class Loss(NamedTuple):
    """Scalars: what is minimised, and the terms that a chart shows beside it."""

    total: Array
    terms: dict[str, Array]


class Objective:
    """The base of all objectives, which need neither parameters nor other images than they are given."""

    def init(self, key: Array) -> Arrays:
        """The first values of its own parameters, by name without `PREFIX`."""
        return {}

    def view(self, key: Array, images: Array) -> Array:
        """What the encoder is shown of (N, H, W, ch) normalised images."""
        return images

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        """The loss of a batch; `params` as `init` made them."""
        raise NotImplementedError
