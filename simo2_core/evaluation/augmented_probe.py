"""A linear probe as the field trains it: SGD on the features of augmented images, the encoder frozen.

Protocol of Chen et al., "A simple framework for contrastive learning", arXiv 2002.05709, appendix B.6, with the run's
own augmentation: momentum 0.9, no weight decay, a cosine schedule. The learning rate is chosen on validation; all
candidates are trained at once, on the same images, so that choosing costs next to nothing.

Shape letters: r learning rates, n images of a batch, f features, c classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

from simo2_core.augmentations.augmentation import Augmentation
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.augment import augment
from simo2_core.data.dataset import DataPart, Dataset
from simo2_core.evaluation.features import Features
from simo2_core.evaluation.restore import load_network
from simo2_core.model.network import Arrays, Network

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Peak learning rates tried."""
EPOCHS = 30
_BATCH = 256


class AugmentedProbe(NamedTuple):
    """What one kind of features reached."""

    accuracy: float
    """Of test, in [0, 1]."""
    learning_rate: float
    """Of `RATES`, the best on validation, the smaller of two equals."""
    validation: float
    """What it reached there."""


class _Heads(NamedTuple):
    weights: Array
    """(r, f, c)"""
    biases: Array
    """(r, c)"""


class _Scale(NamedTuple):
    """Mean and standard deviation (f,) of the features of training images as they are."""

    mean: Array
    std: Array

    def __call__(self, features: Array) -> Array:
        return (features - self.mean[None, :]) / self.std[None, :]


def augmented_probe(
    checkpoint: Path,
    dataset: Dataset,
    features: Mapping[str, Features],
    *,
    epochs: int = EPOCHS,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, AugmentedProbe]:
    """Trains a linear probe on each of `Features`, by its name.

    Args:
        checkpoint: of the frozen encoder; its run's settings say how images are augmented, its seed what is drawn.
        features: by part, of the same encoder and images as they are: what the probe is scaled by and judged on.
        epochs: times that each training image is seen.
        say: told how far it is.

    Raises:
        RunError: the checkpoint is damaged.
    """
    network, params, stats, meta = load_network(checkpoint)
    config = Config.from_json(meta["config"])
    mean, std = jnp.asarray(meta["mean"], jnp.float32), jnp.asarray(meta["std"], jnp.float32)
    scales = {name: _scale_of(getattr(features["train"], name)) for name in Features._fields}
    classes = len(dataset.class_names)
    heads = {name: _first(len(scale.mean), classes) for name, scale in scales.items()}
    part, batch = dataset.train, min(_BATCH, len(dataset.train))
    optimizer = optax.sgd(optax.cosine_decay_schedule(1.0, epochs * (len(part) // batch)), momentum=0.9)
    state = optimizer.init(heads)
    step = jit(partial(_step, network, optimizer, config.augment))
    order = np.random.default_rng((config.seed, 0x9B0BE))
    key = jax.random.fold_in(jax.random.key(config.seed), 0x9B0BE)
    for epoch in range(epochs):
        say(f"linear probe by SGD on augmented images, epoch {epoch + 1} of {epochs}")
        for number, (images, labels) in enumerate(_batches(part, batch, order)):
            drawn = jax.random.fold_in(jax.random.fold_in(key, epoch), number)
            heads, state = step(params, stats, scales, heads, state, drawn, images, labels, mean, std)
    return {name: _judge(heads[name], scales[name], name, features, dataset) for name in Features._fields}


def _scale_of(features: NDArray[np.float32]) -> _Scale:
    std = features.std(axis=0)
    return _Scale(jnp.asarray(features.mean(axis=0)), jnp.asarray(np.where(std > 1e-6, std, 1.0)))


def _first(features: int, classes: int) -> _Heads:
    """Zeros: the problem is convex."""
    return _Heads(jnp.zeros((len(RATES), features, classes)), jnp.zeros((len(RATES), classes)))


def _batches(
    part: DataPart, batch: int, order: np.random.Generator
) -> list[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    """One epoch, the last images of a batch that is not full left out."""
    mixed = order.permutation(len(part))
    rows, labels = part.rows, part.labels
    return [
        (np.asarray(part.images[rows[some]]), labels[some])
        for some in (mixed[start : start + batch] for start in range(0, len(part) - batch + 1, batch))
    ]


def _step(
    network: Network, optimizer: optax.GradientTransformation, augmentations: Sequence[Augmentation], params: Arrays,
    stats: Arrays, scales: dict[str, _Scale], heads: dict[str, _Heads], state: optax.OptState, key: Array,
    images: Array, labels: Array, mean: Array, std: Array,
) -> tuple[dict[str, _Heads], optax.OptState]:  # fmt: skip
    """One step of every head."""
    made = dict(
        zip(Features._fields, network.infer(params, stats, augment(key, images, augmentations, mean, std)), strict=True)
    )
    scaled = {name: scales[name](made[name]) for name in heads}

    def loss(heads: dict[str, _Heads]) -> Array:
        """The sum over heads, none of which sees another, each scaled by its own learning rate."""
        total = jnp.zeros(())
        for name, head in heads.items():
            logits = _logits(head, scaled[name])
            each = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.broadcast_to(labels, logits.shape[:2]))
            total += (each.mean(axis=1) * jnp.asarray(RATES)).sum()
        return total

    updates, state = optimizer.update(jax.grad(loss)(heads), state)
    return optax.apply_updates(heads, updates), state


def _logits(head: _Heads, features: Array) -> Array:
    """(r, n, c)"""
    return jnp.einsum("nf,rfc->rnc", features, head.weights) + head.biases[:, None, :]


def _judge(
    head: _Heads, scale: _Scale, name: str, features: Mapping[str, Features], dataset: Dataset
) -> AugmentedProbe:
    predict = jit(lambda head, features: _logits(head, scale(features)).argmax(axis=-1))

    def right(part: str) -> NDArray[np.float64]:
        predicted = np.asarray(predict(head, jnp.asarray(getattr(features[part], name))))
        return np.asarray((predicted == dataset.parts[part].labels[None, :]).mean(axis=1))

    validation = right("validation")
    best = int(np.argmax(validation))
    return AugmentedProbe(float(right("test")[best]), RATES[best], float(validation[best]))
