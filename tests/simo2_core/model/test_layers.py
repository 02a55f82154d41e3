"""Layers of the published encoders against XLA's own convolutions, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.encoders.vit import ViTSmall
from simo2_core.errors import ConfigError
from simo2_core.model.layers import depthwise


def test_a_depthwise_convolution_and_its_gradient_are_xlas() -> None:
    draw = np.random.default_rng(0)
    kernel = jnp.asarray(draw.standard_normal((5, 5, 3)), jnp.float32)
    x, weight = (jnp.asarray(draw.standard_normal((2, 4, 6, 3)), jnp.float32) for _ in range(2))

    def ours(kernel: jax.Array, x: jax.Array) -> jax.Array:
        return (depthwise(x, kernel) * weight).sum()

    def theirs(kernel: jax.Array, x: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            x, kernel[:, :, None], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=3
        )
        return (y * weight).sum()

    here, there = (jax.value_and_grad(f, argnums=(0, 1))(kernel, x) for f in (ours, theirs))
    for a, b in zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_images_that_are_not_cut_evenly_into_patches_are_refused() -> None:
    encoder = ViTSmall(patch_size=14, token_width=8, layers=1, heads=1)
    network = nnx.eval_shape(lambda: encoder.build(3, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    with pytest.raises(ConfigError, match=r"32×32 .* patches of 14×14. Use --image-size 28 or 42"):
        jax.eval_shape(network, jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32))
