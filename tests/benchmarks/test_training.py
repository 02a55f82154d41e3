"""How many times as fast as the way others do it; run by name: pytest tests/benchmarks/test_training.py -s."""

import jax
import pytest

from simo2_core.bench.stages import time_in_turn, whole_step
from simo2_core.data.load import load_dataset
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import MAX_STEPS, compile_call, make_training
from tests.benchmarks.original import make_peer_steps

DIGITS = PRESETS["digits"].config


@pytest.fixture(autouse=True)
def as_peers_are_written():
    """They add (n, h, w, c) and (c,), which the suite forbids ours."""
    with jax.numpy_rank_promotion("allow"):
        yield


def test_a_step_of_digits_against_the_original_way():
    dataset = load_dataset(DIGITS.data)
    step, state = make_training(DIGITS, 10, dataset.image_shape)
    data = place(dataset)
    runs = {
        "ours": whole_step(compile_call(step, state, data), state, data),
        "original": make_peer_steps(DIGITS, dataset),
    }
    seconds = time_in_turn(runs, 12, MAX_STEPS)
    ratio = seconds["original"] / seconds["ours"]
    print(f"\nstep of digits: {1e3 * seconds['ours']:.2f} ms, the original's way {ratio:.1f} times that")
    # 5 is aimed at and not reached: both do the same convolutions, which with their gradients and the draws of dropout
    # are nine tenths of our step, and one step at a time is outside the loop in which nmn's gradients are slow.
    assert ratio > 2
