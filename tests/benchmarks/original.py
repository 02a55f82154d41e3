"""What simo2 is held against: the same training as the method's first demo does it, put together from other parts.

Batches are built on the host, `nnx.jit` runs once a step, the layers are nmn's, and the loss gathers its pairs. There
is no augmentation: what it costs would only make this slower.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what a peer warns of is not ours to fix
    from nmn.nnx.layers.conv import YatConv

PeerYatConv = YatConv


def loss_by_gathered_pairs(z_ckd, orth_lean=1 / 137, epsilon=1 / 137):
    """The loss with both rows of every pair gathered."""

    def pairs(x_gnd, target):
        i, j = np.triu_indices(x_gnd.shape[1], 1)
        a, b = x_gnd[:, i], x_gnd[:, j]
        r = jnp.square((a * b).sum(-1)) / (epsilon + jnp.square(a - b).sum(-1))
        return ((1 + r) ** (1 - 2 * target)).sum()

    same = pairs(z_ckd, 1.0)
    mean = pairs(z_ckd.mean(axis=1)[None], orth_lean)
    return same + mean + pairs(z_ckd.swapaxes(0, 1), orth_lean)


class PeerBlock(nnx.Module):
    def __init__(self, narrow, wide, dropout, rngs):
        self.yat = PeerYatConv(narrow, wide, (3, 3), use_bias=False, epsilon=1e-5, rngs=rngs)
        self.conv = nnx.Conv(wide, wide, (3, 3), rngs=rngs)
        self.shortcut = nnx.Conv(narrow, wide, (1, 1), use_bias=False, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.conv(self.yat(x)) + self.shortcut(x))


class PeerNetwork(nnx.Module):
    """`YatCNN` and its projection head, of nmn's layers and flax's."""

    def __init__(self, config, channels, rngs):
        self.stem = PeerYatConv(channels, config.encoder.stem_width, (3, 3), use_bias=False, epsilon=1e-5, rngs=rngs)
        pairs = zip((config.encoder.stem_width, *config.encoder.widths), config.encoder.widths, strict=False)
        self.blocks = nnx.List([PeerBlock(narrow, wide, config.encoder.dropout, rngs) for narrow, wide in pairs])
        self.head = nnx.Linear(config.encoder.widths[-1], config.embedding_size, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index < len(self.blocks) - 1:
                x = nnx.avg_pool(x, (2, 2), (2, 2))
        z = self.head(x.mean(axis=(1, 2)))
        return z / jnp.linalg.norm(z, axis=-1, keepdims=True)


def make_peer_steps(config, dataset):
    """A function that trains so many steps and waits for them."""
    drawn, k = config.classes_per_batch(len(dataset.class_names)), config.samples_per_class
    model = PeerNetwork(config.model, dataset.image_shape[-1], nnx.Rngs(0))
    clip = optax.clip_by_global_norm(config.optim.gradient_clip)
    optimizer = nnx.Optimizer(model, optax.chain(clip, optax.adam(config.optim.learning_rate)), wrt=nnx.Param)
    rng = np.random.default_rng(0)
    images = dataset.train.images.astype(np.float32) / 255

    @nnx.jit
    def step(model, optimizer, batch):
        def loss_of(model):
            return loss_by_gathered_pairs(model(batch).reshape(drawn, k, -1))

        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    def build_batch():
        classes = rng.permutation(len(dataset.class_names))[:drawn]
        rows = [dataset.train.offsets[c] + rng.choice(dataset.train.counts[c], k) for c in classes]
        return jnp.asarray((images[np.concatenate(rows)] - dataset.mean) / dataset.std)

    def steps(n):
        for _ in range(n):
            loss = step(model, optimizer, build_batch())
        return jax.block_until_ready(loss)

    return steps
