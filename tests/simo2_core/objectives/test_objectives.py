"""What every objective promises the trainer."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core import parts
from simo2_core.compiling import jit
from simo2_core.config import Config, task_of
from simo2_core.data.load import load_dataset
from simo2_core.errors import ConfigError
from simo2_core.objectives.cross_entropy import CrossEntropy
from simo2_core.objectives.objective import PREFIX, Seen, Task
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import make_training

TINY = PRESETS["digits"].config.replace(
    {
        "widths": "8",
        "stem_width": 4,
        "samples_per_class": 3,
        "batch_size": 12,
        "steps": 150,
        "dropout": 0.0,
        "learning_rate": 0.01,
        "schedule": "constant",
    }
)


def settings(objective: str) -> Config:
    return TINY.replace({"objective": objective, "labels": "none" if objective == "simclr" else "classes"})


@pytest.fixture(scope="module")
def digits():
    return load_dataset(TINY.data)


@pytest.mark.parametrize("objective", parts.own("objective"))
def test_trains_and_reports_its_terms(objective, digits):
    config = settings(objective)
    part = digits.train.singletons() if objective == "simclr" else digits.train
    step, state = make_training(config, len(part.counts), digits.image_shape)
    data = place(dataclasses.replace(digits, train=part))
    take, after, totals = jit(step), state, []
    for _ in range(TINY.steps):
        after, measured, finite = take(after, data, step.course)
        assert finite
        totals.append(float(measured.total))
    assert np.mean(totals[-15:]) < np.mean(totals[:15]), "nothing was learnt"
    terms = config.objective.terms(4, 3)
    assert {"total", *measured.terms} == set(terms)
    assert terms["total"].floor is None or min(totals) >= terms["total"].floor - 1e-5
    moved = {name for name in state.params if not np.array_equal(state.params[name], after.params[name])}
    own = {name for name in state.params if name.startswith(PREFIX)}
    assert own <= moved
    assert len(own) == len(jax.eval_shape(partial(config.objective.init, task=step.task), jax.random.key(0)))
    # the projection head is trained by those that look at the embedding
    assert ("head/kernel" in moved) == config.objective.trains_projection


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_terms_of_simo2_add_up_and_keep_above_their_floors(reduction):
    config = TINY.replace({"reduction": reduction, "bias": 0.25, "distance": "line"})
    z = np.random.default_rng(0).normal(size=(4, 3, 8))
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    seen = Seen(jnp.asarray(z), jnp.zeros((12, 8)), jnp.arange(4), jnp.zeros((12, 8, 8, 1)))
    task = task_of(config, 10, (8, 8, 1))
    loss = jit(partial(config.objective.loss, task=task))({}, seen)
    assert float(sum(loss.terms.values())) == pytest.approx(float(loss.total), rel=1e-6)
    terms = config.objective.terms(4, 3)
    values = {"total": loss.total, **loss.terms}
    assert all(float(values[name]) >= term.floor for name, term in terms.items())
    if reduction == "mean":
        whole = jit(partial(config.replace({"reduction": "sum"}).objective.loss, task=task))({}, seen)
        assert float(whole.terms["diff"]) == pytest.approx(float(loss.terms["diff"]) * 3 * 6, rel=1e-5)


def test_cross_entropy_agrees_with_optax():
    objective, task = CrossEntropy(label_smoothing=0.1), Task(7, (1, 1, 1), 5, 4, (5,))
    params = objective.init(jax.random.key(0), task)
    h = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)), jnp.float32)
    seen = Seen(jnp.zeros((3, 2, 4)), h, jnp.asarray([6, 0, 2]), jnp.zeros((6, 1, 1, 1)))
    targets = 0.9 * jax.nn.one_hot(jnp.asarray([6, 6, 0, 0, 2, 2]), 7) + 0.1 / 7
    log_p = jax.nn.log_softmax(objective.classify(params, h))
    expected = -(targets * log_p).sum(axis=1).mean()
    assert float(objective.loss(params, seen, task).total) == pytest.approx(float(expected), rel=1e-6)


def test_the_autoencoder_hides_noise_from_what_it_must_give_back():
    step, state = make_training(settings("autoencoder"), 10, (8, 8, 1))
    images = jnp.zeros((12, 8, 8, 1))
    shown = step.objective.view(jax.random.key(0), images)
    assert float(shown.std()) == pytest.approx(0.5, rel=0.1)
    seen, _ = jit(step.see)(state.params, state, images, jnp.arange(4), 1.0)
    assert (np.asarray(seen.images) == 0).all()
    own = {name.removeprefix(PREFIX): value for name, value in state.params.items() if name.startswith(PREFIX)}
    assert step.objective.reconstruct(own, seen.representation, step.task).shape == images.shape


@pytest.mark.parametrize("shape", [(7, 5, 3), (8, 8, 1), (1, 1, 1)])
def test_a_decoder_gives_back_images_of_any_size(shape):
    config = settings("autoencoder").replace({"widths": "4,6,8"})
    task = task_of(config, 10, shape)
    own = config.objective.init(jax.random.key(0), task)
    assert config.objective.reconstruct(own, jnp.ones((2, 8)), task).shape == (2, *shape)


def test_simclr_wants_views_and_cross_entropy_wants_labels():
    with pytest.raises(ConfigError, match="Use --labels none"):
        TINY.replace({"objective": "simclr"})
    with pytest.raises(ConfigError, match="Use --labels classes"):
        TINY.replace({"objective": "cross_entropy", "labels": "none"})


def test_views_of_one_image_are_drawn_together_without_labels():
    config = TINY.replace({"labels": "none"})
    dataset = load_dataset(config.data)
    part = dataset.train.singletons()
    step, state = make_training(config, len(part), dataset.image_shape)
    data = place(dataclasses.replace(dataset, train=part))
    rows = np.asarray(step.draw(state, data).rows).reshape(4, 3)
    assert (rows == rows[:, :1]).all()
    assert len(set(rows[:, 0])) == 4
