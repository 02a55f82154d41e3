"""Embedding a batch in chunks changes the memory it takes, and not the gradient."""

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.errors import ConfigError
from simo2_core.train.devices import divide
from simo2_core.train.feed import place
from simo2_core.train.step import Data, make_training, require_whole_batch
from tests.tiny import DIGITS

TINY = DIGITS.replace({"steps": 8})


@pytest.fixture(scope="module")
def data() -> Data:
    return place(load_dataset(TINY.data))


@pytest.fixture(scope="module")
def whole(data: Data) -> tuple[Any, Any]:
    """Gradient and loss of the batch in one piece."""
    return gradient_of(TINY, data)


def gradient_of(config: Config, data: Data) -> tuple[Any, Any]:
    step, state = make_training(config, 10, (8, 8, 1))

    def gradient(state: Any, data: Data) -> Any:
        drawn = step.draw(state, data)
        return step.gradient(state, step.prepare(state, data, drawn), drawn.classes, 1.0)[:2]

    found: tuple[Any, Any] = jit(gradient)(state, data)
    return found


@given(st.integers(4, 5000), st.integers(0, 600), st.integers(1, 9))
def test_chunks_hold_the_batch_with_little_to_spare(images: int, chunk_size: int, devices: int) -> None:
    chunks, size = divide(images, chunk_size, devices)
    assert size % devices == 0
    assert chunks * size >= images > (chunks - 1) * size
    if not chunk_size:
        assert chunks == 1
    elif chunk_size % devices == 0:
        assert size <= chunk_size


@pytest.mark.parametrize("chunk_size", [10, 7])
def test_the_gradient_is_that_of_the_whole_batch(data: Data, whole: tuple[Any, Any], chunk_size: int) -> None:
    gradient, loss = whole
    chunked, same_loss = gradient_of(TINY.replace({"chunk_size": chunk_size}), data)
    assert float(same_loss.total) == pytest.approx(float(loss.total), rel=1e-5)
    flat, other = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(each)]) for each in (gradient, chunked))
    assert np.linalg.norm(flat - other) < 1e-5 * np.linalg.norm(flat)


def test_a_chunk_as_large_as_the_batch_is_the_batch(data: Data, whole: tuple[Any, Any]) -> None:
    jax.tree.map(np.testing.assert_array_equal, whole, gradient_of(TINY.replace({"chunk_size": 30}), data))


def test_normalisation_over_the_batch_forbids_to_divide_it() -> None:
    with pytest.raises(ConfigError, match="chunk_size is 7; it must be 0: yatcnn has statistics of the whole batch"):
        require_whole_batch(TINY.replace({"chunk_size": 7}), 10, 1)
    with pytest.raises(ConfigError, match="30 images, which 4 devices cannot share evenly"):
        require_whole_batch(TINY, 10, 4)
    require_whole_batch(TINY, 10, 5)
