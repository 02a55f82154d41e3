"""The loss, value and gradient, against a gather of all pairs; run by name: pytest tests/benchmarks/test_loss.py -s."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.loss import simo2_loss

sys.path.insert(0, str(Path(__file__).parent))
from interleaved import best_of_each


def gathered(z_ckd):
    """Every pair is copied out of the batch."""

    def relations(x_nd):
        i, j = np.triu_indices(x_nd.shape[0], 1)
        a, b = x_nd[i], x_nd[j]
        return jnp.square((a * b).sum(-1)) / (1 / 137 + jnp.square(a - b).sum(-1))

    def apart(x_nd):
        return jnp.power(1 + relations(x_nd), 1 - 2 / 137).sum()

    same = jax.vmap(lambda x_kd: (1 / (1 + relations(x_kd))).sum())(z_ckd).sum()
    return same + apart(z_ckd.mean(1)) + jax.vmap(apart)(z_ckd.swapaxes(0, 1)).sum()


def ours(z_ckd):
    return simo2_loss(z_ckd).total


def batch(shape):
    z = np.random.default_rng(0).normal(size=shape)
    return jnp.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True), jnp.float32)


def peak(function, z):
    return jax.jit(function).lower(z).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(("shape", "times"), [((10, 16, 16), 0.7), ((10, 32, 16), 1), ((100, 16, 64), 30)])
def test_so_many_times_faster_than_a_gather(shape, times):
    z = batch(shape)
    best = best_of_each({"ours": jax.value_and_grad(ours), "gathered": jax.value_and_grad(gathered)}, z)
    memory = {name: peak(jax.value_and_grad(f), z) / 1e6 for name, f in (("ours", ours), ("gathered", gathered))}
    print(f"\n{shape}:", ", ".join(f"{name} {best[name]:.2f} ms, {memory[name]:.1f} MB" for name in best))
    assert times * best["ours"] < best["gathered"]


def test_a_thousand_classes():
    """A gather takes 26.7 s and 20 GB here (2 cores), so it is left out."""
    z = batch((1000, 32, 64))
    best = best_of_each({"ours": jax.value_and_grad(ours)}, z)["ours"]
    memory = peak(jax.value_and_grad(ours), z) / 1e6
    print(f"\n(1000, 32, 64): {best:.0f} ms, {memory:.0f} MB")
    assert best < 26_700 / 50
    assert memory < 20_000 / 25
