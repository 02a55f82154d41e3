import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.config import ModelConfig
from simo2_core.encoders.yatcnn import YatCNN
from simo2_core.model.build import build_model, compute_dtype, to_unit_rows

SMALL = ModelConfig(encoder=YatCNN(stem_width=4, widths=(6, 8)), embedding_size=3)


def images(*shape):
    return np.float32(np.random.default_rng(0).normal(size=shape))


def test_gives_a_representation_and_a_unit_embedding():
    model = build_model(SMALL, 1, jax.random.key(0))
    x = images(5, 6, 6, 1)
    (representation, embedding), alone = jit(lambda x: (model(x), model.represent(x)))(x)
    assert representation.shape == (5, 8)
    assert embedding.shape == (5, 3)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(alone, representation, rtol=1e-5)


def test_weights_are_decided_by_the_key():
    weights = [jax.tree.leaves(nnx.state(build_model(SMALL, 1, jax.random.key(seed)), nnx.Param)) for seed in (0, 0, 1)]
    first, again, other = ([np.asarray(leaf) for leaf in leaves] for leaves in weights)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_half_precision_is_of_the_products_alone():
    half = dataclasses.replace(SMALL, precision="bfloat16")
    models = [build_model(config, 1, jax.random.key(0)) for config in (SMALL, half)]
    x = images(5, 6, 6, 1)
    (whole, _), (near, embedding) = jit(lambda x: [model(x) for model in models])(x)
    assert near.dtype == embedding.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(models[1], nnx.Param))} == {jnp.dtype("float32")}
    assert 0 < np.abs(np.subtract(near, whole)).max() < 0.05 * np.abs(whole).max()
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-6)


def test_the_device_decides_a_precision_that_is_left_open(monkeypatch):
    assert compute_dtype("auto") == jnp.float32
    assert compute_dtype("bfloat16") == jnp.bfloat16
    monkeypatch.setattr("simo2_core.model.build.jax.default_backend", lambda: "gpu")
    assert compute_dtype("auto") == jnp.bfloat16
    assert compute_dtype("float32") == jnp.float32


def test_different_images_have_different_embeddings_from_the_beginning():
    model = build_model(SMALL, 3, jax.random.key(0))
    _, embedding = jit(lambda x: model(x))(images(32, 8, 8, 3))
    assert np.std(embedding, axis=0).max() > 0.03


@jit
def with_gradient(x):
    rows, transpose = jax.vjp(to_unit_rows, x)
    return rows, *transpose(jnp.ones_like(rows))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e15])
def test_unit_rows_are_safe_at_zero(scale):
    rows, gradient = with_gradient(np.float32(scale) * images(4, 3))
    assert np.isfinite(rows).all()
    assert np.isfinite(gradient).all()
    if scale >= 1:
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


def test_the_model_has_no_state_but_its_params_and_trains_in_a_donated_loop():
    graph, params, rest = nnx.split(build_model(SMALL, 1, jax.random.key(0)), nnx.Param, ...)
    assert not jax.tree.leaves(rest)
    x, target = images(4, 3, 3, 1), np.eye(4, 3, dtype=np.float32)

    def error(params, keys=None):
        _, embedding = nnx.merge(graph, params, rest)(x, dropout_keys=keys)
        return jnp.square(embedding - target).sum()

    def descend(params, steps):
        def body(i, params):
            gradient = jax.grad(error)(params, jax.random.split(jax.random.fold_in(jax.random.key(0), i), 4))
            return jax.tree.map(lambda p, g: p - 0.02 * g, params, gradient)

        before = error(params)
        params = jax.lax.fori_loop(0, steps, body, params)
        return params, before, error(params)

    _, before, after = jit(descend, donate_argnums=0)(params, 30)
    assert after < 0.9 * before
