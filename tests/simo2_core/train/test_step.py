from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.errors import ConfigError
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import Call, Data, Horizon, TrainState, compile_call, make_training, smaller

TINY = PRESETS["digits"].config.replace(
    {"widths": "8", "stem_width": 4, "samples_per_class": 3, "batch_size": 12, "steps": 8, "shift": 1, "dropout": 0.3,
     "epsilon_start": 10, "epsilon_until": 0.5}
)  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Data:
    return place(load_dataset(TINY.data))


CALLS: dict[Config, Call] = {}
"""Those compiled so far, by their settings but for the seed, which is no part of a program."""


def run_calls(config: Config, data: Data, lengths: list[int]) -> tuple[TrainState, np.ndarray[Any, Any], Any]:
    step, state = make_training(config, 10, (8, 8, 1))
    key = config.replace({"seed": 0})
    call = CALLS[key] = CALLS.get(key) or compile_call(step, state, data)
    totals = []
    for n in lengths:
        state, rows, begun = call(state, data, n)
        totals.append(np.asarray(rows.total)[: int(begun)])
    return state, np.concatenate(totals), begun


def test_it_does_not_matter_how_steps_are_cut_into_calls(data: Data) -> None:
    whole, whole_totals, _ = run_calls(TINY, data, [8])
    parts, parts_totals, _ = run_calls(TINY, data, [1, 5, 2])
    np.testing.assert_array_equal(whole_totals, parts_totals)
    jax.tree.map(np.testing.assert_array_equal, whole, parts)
    assert int(whole.step) == 8


@pytest.mark.parametrize("objective", ["cross_entropy", "arcface", "autoencoder"])
def test_images_drawn_in_proportion_train_what_looks_at_each_by_itself(data: Data, objective: str) -> None:
    config = TINY.replace({"objective": objective, "sampling": "proportional"})
    step, state = make_training(config, 10, (8, 8, 1))
    drawn = jax.eval_shape(step.draw, state, data)
    assert step.batch_shape == (12, 1)
    assert drawn.rows.shape == drawn.classes.shape == (12,)
    after, measured, _ = jax.eval_shape(step, state, data, step.course)
    assert measured.total.shape == ()
    assert [leaf.shape for leaf in jax.tree.leaves(after)] == [leaf.shape for leaf in jax.tree.leaves(state)]


def test_images_grow_over_the_run(data: Data) -> None:
    config = TINY.replace({"encoder": "cnn", "widths": "4,4", "grow_from": 2, "steps": 6, "dropout": 0})
    assert config.sides(8) == (2, 5, 8)
    step, state = make_training(config, 10, (8, 8, 1))
    images, classes = jit(lambda: (step.prepare(state, data, drawn := step.draw(state, data)), drawn.classes))()
    seen = jit(lambda progress: step.gradient(state, images, classes, progress)[1].total)

    def alone(progress: Any, side: int) -> Any:
        return step.loss(state.params, step.see(state.params, state, images, classes, progress, side)[0]).total

    for progress, side in ((0.0, 2), (0.3, 2), (0.4, 5), (0.7, 8), (1.0, 8)):
        np.testing.assert_allclose(seen(progress), jit(alone, static_argnums=1)(progress, side), rtol=1e-4)


def test_a_smaller_image_is_the_mean_of_its_pixels() -> None:
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 12, 3)), jnp.float32)
    made = jit(lambda image: smaller(image, 4))(image)
    assert made.shape == (2, 4, 6, 3)
    np.testing.assert_allclose(made.mean(), image.mean(), atol=0.02)
    assert smaller(image, 8) is image


def test_images_cannot_begin_larger_than_they_are() -> None:
    with pytest.raises(ConfigError, match="grow_from is 8; it must be 0, or from 1 to 7 for yatcnn on images of 8"):
        make_training(TINY.replace({"grow_from": 8}), 10, (8, 8, 1))
    with pytest.raises(ConfigError, match="grow_from is 4; it must be 0 for airbench on images of 8 pixels"):
        make_training(TINY.replace({"encoder": "airbench", "grow_from": 4}), 10, (8, 8, 1))


def test_the_same_seed_gives_the_same_bits_and_another_does_not(data: Data) -> None:
    first, again = (run_calls(TINY, data, [3])[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (run_calls(TINY.replace({"seed": 1}), data, [3])[1] != first).all()


def test_runs_of_other_length_schedule_and_learning_rate_share_a_program(data: Data) -> None:
    other = TINY.replace({"steps": 900, "schedule": "linear", "learning_rate": 0.1})
    made = [make_training(config, 10, (8, 8, 1)) for config in (TINY, other)]
    first, second = (compile_call(step, state, data) for step, state in made)
    assert first.program.as_text() == second.program.as_text()
    assert not np.array_equal(first.course.rates, second.course.rates)
    ends = [call(jax.tree.map(jnp.copy, made[0][1]), data, 3)[0] for call in (first, second)]
    assert not np.array_equal(ends[0].params["head/kernel"], ends[1].params["head/kernel"])


@pytest.mark.parametrize(("steps", "expected"), [(1, [0, 1]), (2, [0, 1, 1]), (5, [0, 0.25, 0.5, 0.75, 1, 1])])
def test_progress_goes_from_the_first_step_to_the_last(steps: int, expected: list[float]) -> None:
    course = Horizon(np.zeros(8, np.float32), np.int32(steps))
    found = [course.progress(jnp.int32(step)) for step in range(len(expected))]
    assert [float(value) for value in found] == expected
    assert {value.dtype for value in found} == {jnp.dtype("float32")}


def test_what_a_step_sees_of_the_run_changes_its_loss(data: Data) -> None:
    """ε of 10 at first is 1/137 in the second half: the losses are those of one constant, and then of the other."""

    @jit
    def losses(state: TrainState) -> list[jax.Array]:
        drawn = made.draw(state, data)
        seen, _ = made.see(state.params, state, made.prepare(state, data, drawn), drawn.classes, 1.0)
        fixed = (TINY.replace({"epsilon_start": None, "epsilon_until": 1.0, "epsilon": e}) for e in (10, 1 / 137))
        return [config.objective.loss({}, seen, made.task).total for config in fixed]

    made, first = make_training(TINY, 10, (8, 8, 1))
    before_last, falling, _ = run_calls(TINY, data, [7])
    np.testing.assert_allclose(falling[0], losses(first)[0], rtol=1e-5)
    _, whole, _ = run_calls(TINY, data, [8])
    np.testing.assert_allclose(whole[-1], losses(before_last)[1], rtol=1e-4)


def test_a_step_that_is_not_finite_leaves_the_last_good_state(data: Data) -> None:
    config = TINY.replace({"learning_rate": 1e30, "gradient_clip": 0, "optimizer": "sgd", "schedule": "constant"})
    state, totals, begun = run_calls(config, data, [8])
    assert int(begun) < 8
    assert not np.isfinite(totals[-1])
    assert int(state.step) == int(begun) - 1
    before, _, _ = run_calls(config, data, [int(begun) - 1]) if int(begun) > 1 else (state, None, None)
    jax.tree.map(np.testing.assert_array_equal, state, before)


def test_only_training_rows_are_ever_drawn(data: Data) -> None:
    dataset = load_dataset(TINY.data)
    held_out = np.setdiff1d(np.arange(len(dataset.train.images)), dataset.train.rows)
    images = np.asarray(data.images).copy()
    images[held_out] = 255 - images[held_out]
    changed = data._replace(images=jax.device_put(images, data.images.sharding))
    np.testing.assert_array_equal(run_calls(TINY, data, [4])[1], run_calls(TINY, changed, [4])[1])
    images[dataset.train.rows] = 255 - images[dataset.train.rows]
    changed = data._replace(images=jax.device_put(images, data.images.sharding))
    assert (run_calls(TINY, changed, [4])[1] != run_calls(TINY, data, [4])[1]).any()
