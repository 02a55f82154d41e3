"""Half precision changes what a step costs, not what it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simo2_core.analysis.embed import TrainedEncoder, compile_embed
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.evaluation.evaluate import evaluate
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import compile_call, make_training

DIGITS = PRESETS["digits"].config
SMALL = DIGITS.replace({"widths": "8,16", "stem_width": 4, "samples_per_class": 4, "batch_size": 40})


def test_gradients_point_the_same_way() -> None:
    dataset = load_dataset(DIGITS.data)
    data, gradients = place(dataset), []
    for precision in ("float32", "bfloat16"):
        step, state = make_training(SMALL.replace({"precision": precision}), 10, dataset.image_shape)
        drawn = step.draw(state, data)
        gradient, _, _ = jit(step.gradient)(state, step.prepare(state, data, drawn), drawn.classes, jnp.float32(0))
        assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}
        gradients.append(gradient)
    norms = [float(optax.tree.norm(gradient)) for gradient in gradients]
    cosine = float(optax.tree.vdot(*gradients)) / (norms[0] * norms[1])
    assert 0.995 < cosine < 1 - 1e-7, "near, and not the same program twice"
    assert norms[1] == pytest.approx(norms[0], rel=0.02)


def knn(config: Config) -> float:
    """Of the representation, in [0, 1], on validation and test together: 502 images tell half a point."""
    dataset = load_dataset(config.data)
    step, state = make_training(config, 10, dataset.image_shape)
    data = place(dataset)
    state, rows, _ = compile_call(step, state, data)(state, data, config.steps)
    assert np.isfinite(rows.total[: config.steps]).all()
    encoder = TrainedEncoder(
        compile_embed(step.network), state.params, state.stats, dataset.mean, dataset.std, dataset.image_shape
    )
    looks = [evaluate(encoder, dataset, split, config.steps, raw_pixels=0.0).event for split in ("validation", "test")]
    return sum(look.knn_representation * look.images for look in looks) / sum(look.images for look in looks)


@pytest.mark.slow
def test_digits_are_learnt_as_well() -> None:
    whole, half = (knn(DIGITS.replace({"precision": precision})) for precision in ("float32", "bfloat16"))
    assert whole > 0.985
    assert abs(whole - half) <= 0.005
