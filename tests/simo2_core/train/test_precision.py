"""Half precision changes what a step costs, not what it learns."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.analysis.embed import TrainedEncoder, compile_embed
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.evaluation.evaluate import evaluate
from simo2_core.model.conv import Convolution
from simo2_core.presets import PRESETS
from simo2_core.train import precision as deciding
from simo2_core.train import preparation
from simo2_core.train.feed import place
from simo2_core.train.precision import decide, time_of_convolutions
from simo2_core.train.preparation import prepare
from simo2_core.train.step import Data, Step, TrainState, compile_call, make_training

DIGITS = PRESETS["digits"].config
SMALL = DIGITS.replace({"widths": "8,16", "stem_width": 4, "samples_per_class": 4, "batch_size": 40})


def test_gradients_point_the_same_way() -> None:
    dataset = load_dataset(DIGITS.data)
    data, gradients = place(dataset), []
    for precision in ("float32", "bfloat16"):
        step, state = make_training(SMALL.replace({"precision": precision}), 10, dataset.image_shape)

        def gradient_of(state: TrainState, data: Data, step: Step = step) -> Any:
            drawn = step.draw(state, data)
            return step.gradient(state, step.prepare(state, data, drawn), drawn.classes, 0.0)[0]

        gradient = jit(gradient_of)(state, data)
        assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}
        gradients.append(gradient)
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)]) for gradient in gradients]
    norms = [float(np.linalg.norm(gradient)) for gradient in flat]
    cosine = float(flat[0] @ flat[1]) / (norms[0] * norms[1])
    assert 0.995 < cosine < 1 - 1e-7, "near, and not the same program twice"
    assert norms[1] == pytest.approx(norms[0], rel=0.02)


LARGE = PRESETS["cifar10"].config.replace({"encoder": "resnet18", "widths": "64,128", "norm": "batch"})


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[dict[Convolution, int]]:
    """The trials that were asked for, on a processor that finds bfloat16 faster."""
    asked: list[dict[Convolution, int]] = []

    def spent(shapes: tuple[tuple[Convolution, int], ...]) -> dict[str, float]:
        asked.append(dict(shapes))
        return {"float32": 0.2, "bfloat16": 0.14}

    monkeypatch.setattr(deciding, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(deciding, "time_of_convolutions", spent)
    return asked


def test_auto_is_what_a_trial_finds_faster(trials, monkeypatch: pytest.MonkeyPatch) -> None:
    config, why = decide(LARGE, (32, 32, 3), 160)
    assert config.model.precision == "bfloat16"
    assert why == "bfloat16: in bfloat16 its largest convolutions took 0.70 of float32's time here, 140 and 200 ms"
    (shapes,) = trials
    assert shapes[Convolution((160, 32, 32, 64), (3, 3, 64, 64), (1, 1), "SAME")] == 4
    assert list(shapes.values()) == [4, 3, 1, 1], "most operations first; the shortcut is left out"
    monkeypatch.setattr(deciding, "time_of_convolutions", lambda shapes: {"float32": 0.2, "bfloat16": 0.19})
    config, why = decide(LARGE, (32, 32, 3), 160)
    assert config.model.precision == "float32", "written down, so that nobody asks again"
    assert why is not None


def test_there_is_no_trial_where_there_is_no_choice_or_little_to_gain(trials, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = LARGE.replace({"precision": "float32"})
    assert decide(chosen, (32, 32, 3), 160) == (chosen, None)
    assert decide(DIGITS, (8, 8, 1), 160) == (DIGITS, None)
    for name in ("multiplies_bfloat16", "has_one_cpu"):
        with monkeypatch.context() as patch:
            patch.setattr(deciding, name, lambda: False)
            assert decide(LARGE, (32, 32, 3), 160) == (LARGE, None)
    assert trials == []


def test_only_a_new_run_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    faster = DIGITS.replace({"precision": "bfloat16"})
    monkeypatch.setattr(preparation, "decide", lambda config, shape, batch: (faster, f"{shape} {batch}"))
    assert prepare(DIGITS).config == DIGITS
    assert prepare(DIGITS).precision is None
    ready = prepare(DIGITS, new=True)
    assert ready.config == faster
    assert ready.precision == "(8, 8, 1) 160"


CONVOLUTION = Convolution((4, 6, 6, 2), (3, 3, 2, 2), (2, 2), "SAME")


def in_turns(float32: list[float], bfloat16: list[float]) -> list[float]:
    """What the clock says of a round of one convolution: a first call of each that is slow, then six turns."""
    assert len(float32) == len(bfloat16) == 6
    return [99.0, 98.0, *(seconds for turn in zip(float32, bfloat16, strict=True) for seconds in turn)]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    asked: list[float] = []
    monkeypatch.setattr("simo2_core.train.precision.time.sleep", asked.append)
    time_of_convolutions.cache_clear()
    return asked


def say(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    clock = iter(seconds)
    monkeypatch.setattr(deciding, "_time", lambda program, operands: next(clock))
    return clock


def test_a_trial_takes_each_convolution_as_often_as_it_comes(pauses, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = say(in_turns([9, 1, 3, 2, 2, 9], [4, 9, 5, 2, 3, 9]) + in_turns([10] * 6, [1] * 6), monkeypatch)
    spent = time_of_convolutions(((CONVOLUTION, 1), (CONVOLUTION._replace(strides=(1, 1)), 3)))
    assert spent == {"float32": 1 + 3 * 10, "bfloat16": 2 + 3 * 1}
    assert next(clock, None) is None, "every turn was asked for"
    assert pauses == []


def test_a_close_answer_is_asked_again_for_the_machine_may_be_disturbed(pauses, monkeypatch) -> None:
    clock = say(in_turns([10] * 6, [11] * 6) + in_turns([12] * 6, [10] * 6) + in_turns([12] * 6, [7] * 6), monkeypatch)
    assert time_of_convolutions(((CONVOLUTION, 1),)) == {"float32": 10, "bfloat16": 7}
    assert next(clock, None) is None
    assert pauses == [3.0, 3.0]


def test_a_close_answer_stands_in_the_end_and_a_clear_one_at_once(pauses, monkeypatch) -> None:
    clock = say(in_turns([10] * 6, [9.5] * 6) * 4, monkeypatch)
    assert time_of_convolutions(((CONVOLUTION, 1),)) == {"float32": 10, "bfloat16": 9.5}
    assert next(clock, None) is None
    assert len(pauses) == 3
    say(in_turns([10] * 6, [12] * 6), monkeypatch)
    assert time_of_convolutions(((CONVOLUTION, 2),)) == {"float32": 20, "bfloat16": 24}
    assert len(pauses) == 3


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
@pytest.mark.optimised
def test_digits_are_learnt_as_well() -> None:
    """A smaller network than the preset's, and fewer steps."""
    quick = DIGITS.replace({"widths": "16,32,64", "steps": 250})
    whole, half = (knn(quick.replace({"precision": precision})) for precision in ("float32", "bfloat16"))
    assert whole > 0.985
    assert abs(whole - half) <= 0.005
