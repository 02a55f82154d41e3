import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simo2_core.compiling import jit
from simo2_core.objectives import supcon
from simo2_core.objectives.supcon import SupCon, supcon_loss


def unit(seed, *shape):
    z = np.random.default_rng(seed).normal(size=shape)
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


compiled = jit(supcon_loss, static_argnames="temperature")


def by_pairs(z, labels, temperature):
    """The definition, an anchor at a time."""
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        every = np.log(sum(np.exp(z[i] @ z[a] / temperature) for a in others))
        positives = [p for p in others if labels[p] == labels[i]]
        losses.append(np.mean([every - z[i] @ z[p] / temperature for p in positives]))
    return np.mean(losses)


@pytest.mark.parametrize(("classes", "k", "temperature"), [(2, 2, 0.1), (5, 3, 0.5), (3, 4, 0.07)])
def test_agrees_with_a_loop_over_anchors(classes, k, temperature):
    z = unit(0, classes, k, 6)
    pull, push = compiled(np.float32(z), temperature=temperature)
    labels = np.repeat(np.arange(classes), k)
    assert float(pull + push) == pytest.approx(by_pairs(z.reshape(-1, 6), labels, temperature), rel=1e-5)


def test_two_views_are_nt_xent():
    z = np.float32(unit(1, 7, 2, 5))

    @jit
    def by_optax(z):
        whole = jnp.concatenate([z[:, 0], z[:, 1]])
        cosines = jnp.where(jnp.eye(14, dtype=bool), -jnp.inf, whole @ whole.T / 0.5)
        return optax.softmax_cross_entropy_with_integer_labels(cosines, jnp.roll(jnp.arange(14), 7)).mean()

    assert float(sum(compiled(z, temperature=0.5))) == pytest.approx(float(by_optax(z)), rel=1e-5)


def test_rows_done_apart_change_nothing(monkeypatch):
    z = jnp.asarray(unit(2, 4, 5, 8))
    gradient = jax.grad(lambda z: sum(supcon_loss(z, temperature=0.1)))
    whole = jit(lambda z: gradient(z))(z)
    monkeypatch.setattr(supcon, "_ROWS", 3)
    np.testing.assert_allclose(jit(lambda z: gradient(z))(z), whole, rtol=1e-4, atol=1e-6)


def test_a_simplex_of_classes_is_at_the_floor_and_nothing_is_below_it():
    corners = np.eye(4) - 0.25
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    z = np.float32(np.repeat(corners[:, None], 3, axis=1))
    objective = SupCon(temperature=0.2)
    terms = objective.terms(4, 3)
    assert float(sum(compiled(z, temperature=0.2))) == pytest.approx(terms["total"].floor, rel=1e-5)
    for seed in range(5):
        assert float(sum(compiled(np.float32(unit(seed, 4, 3, 8)), temperature=0.2))) > terms["total"].floor
