"""A model as pure functions of named arrays, so that training and checkpoints never meet NNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from simo2_core.model.build import Architecture, build_model
from simo2_core.model.fitted import Fitted

Arrays = dict[str, Array]
"""Arrays by path, such as `block0/conv/kernel`: a pytree that reads well in a checkpoint."""


@dataclass(frozen=True)
class Packing:
    """How named arrays become one kind of NNX state, and back."""

    names: tuple[str, ...]
    structure: Any

    @classmethod
    def of(cls, state: nnx.State[Any, Any]) -> tuple[Packing, Arrays]:
        paths, structure = jax.tree_util.tree_flatten_with_path(state)
        named = {
            jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): leaf for path, leaf in paths
        }
        return cls(tuple(named), structure), named

    def state(self, arrays: Arrays) -> Any:
        return jax.tree.unflatten(self.structure, [arrays[name] for name in self.names])


@dataclass(frozen=True)
class Network:
    """Encoder and projection head.

    `params` are trained; `stats` are the rest: some change without a gradient (batch norm, say), and some, the
    `fitted` ones, stay as training images gave them.
    """

    graph: Any
    packing: tuple[Packing, Packing]
    fitted: frozenset[str]
    """Those of `stats` that never change."""

    @property
    def follows_batches(self) -> bool:
        """Whether a training pass changes `stats`: then a batch must be neither cut up nor filled up."""
        return bool(set(self.packing[1].names) - self.fitted)

    @classmethod
    def build(
        cls, config: Architecture, channels: int, key: Array, images: NDArray[np.float32] | None = None
    ) -> tuple[Network, Arrays, Arrays]:
        """Returns the network with its first `params` and `stats`, decided by `key` and the images it is fitted on."""
        return cls._split(build_model(config, channels, key, images))

    @classmethod
    def build_abstract(cls, config: Architecture, channels: int) -> tuple[Network, Any, Any]:
        """The same with shapes and dtypes in place of arrays: nothing is drawn or computed."""
        model = nnx.eval_shape(lambda: build_model(config, channels, jax.random.key(0)))
        return cls._split(model)

    @classmethod
    def _split(cls, model: Any) -> tuple[Network, Any, Any]:
        graph, params, stats = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
        params_packing, params_named = Packing.of(params)
        stats_packing, stats_named = Packing.of(stats)
        fitted = Packing.of(nnx.state(model, Fitted))[1]
        return cls(graph, (params_packing, stats_packing), frozenset(fitted)), params_named, stats_named

    def train(self, params: Arrays, stats: Arrays, images: Array, dropout_keys: Array) -> tuple[Array, Array, Arrays]:
        """One training pass over normalised `images` (N, H, W, ch), with (N,) typed keys that decide what is dropped.

        Returns: the (N, F) representation, (N, D) unit embeddings, and the new `stats`.
        """
        model = self._merge(params, stats)

        representation, embedding = model(images, dropout_keys=dropout_keys)
        _, _, new_stats = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
        return representation, embedding, Packing.of(new_stats)[1]

    def infer(self, params: Arrays, stats: Arrays, images: Array) -> tuple[Array, Array]:
        """The (N, F) representation and (N, D) unit embedding of normalised `images` (N, H, W, ch), no dropout."""
        model = self._merge(params, stats)

        representation, embedding = model(images)
        return representation, embedding

    def _merge(self, params: Arrays, stats: Arrays) -> Any:
        params_packing, stats_packing = self.packing
        return nnx.merge(self.graph, params_packing.state(params), stats_packing.state(stats))


def first_weights(
    config: Architecture, seed: int, channels: int, images: NDArray[np.float32] | None = None
) -> tuple[Network, Arrays, Arrays]:
    """The network with the params and stats that the `seed` of a run draws, fitted on normalised `images` if given."""
    weights_key, _ = jax.random.split(jax.random.key(seed))
    return Network.build(config, channels, weights_key, images)
