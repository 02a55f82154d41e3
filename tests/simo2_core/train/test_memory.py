import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.compiling import jit
from simo2_core.data.load import load_dataset
from simo2_core.errors import OutOfMemoryError
from simo2_core.memory_needs import Needs
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.train.feed import place
from simo2_core.train.memory import (
    SHARE,
    Chunking,
    fitting_batch,
    fitting_chunk,
    out_of_memory,
    program_bytes,
    require_memory,
)
from simo2_core.train.step import compile_call, make_training
from simo2_core.train.trainer import train

pytestmark = pytest.mark.optimised

CONFIG = PRESETS["digits"].config.replace({"batch_size": 320, "samples_per_class": 32})


@given(st.integers(2, 64), st.integers(2, 40), st.integers(0, 10**9), st.integers(0, 10**10), st.integers(0, 10**10))
def test_the_suggested_batch_is_smaller_whole_and_fits(
    k: int, classes: int, fixed: int, growing: int, room: int
) -> None:
    batch = k * classes
    found = fitting_batch(batch, k, fixed, growing, room)
    if found is None:
        return
    assert found < batch
    assert found % k == 0
    assert found >= 2 * k
    assert not growing or fixed + growing * found / batch <= room * SHARE * (1 + 1e-9)


def test_half_of_an_unknown_batch_is_suggested() -> None:
    assert fitting_batch(320, 32, 0, 0, 0) == 160
    assert fitting_batch(64, 32, 0, 0, 0) is None


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (MemoryError(), "host"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 70368744177664 bytes."), "device"),
    ],
)
def test_an_exhausted_memory_is_one_line_with_the_setting_that_fits(
    error: Exception, where: str, tmp_path: Path
) -> None:
    with pytest.raises(OutOfMemoryError) as caught, out_of_memory(CONFIG, RunDirectory(tmp_path)):
        raise error
    said = f"out of memory on the {where} with batches of 320 images. Use --batch-size 160."
    assert str(caught.value) == said  # and of no checkpoint, for there is none
    (tmp_path / "checkpoints" / "20").mkdir(parents=True)
    with pytest.raises(OutOfMemoryError) as caught, out_of_memory(CONFIG, RunDirectory(tmp_path)):
        raise error
    assert str(caught.value) == f"{said} The newest checkpoint is kept: simo2 resume {tmp_path}."


def test_where_the_weights_are_too_many_no_smaller_batch_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simo2_core.train.memory.host_memory_free", lambda: 10**9)
    needs = Needs(encoder=10**6, head=2 * 10**9, embedding=10**7, images=10**7, batch=320)
    config = CONFIG.replace({"embedding_size": 10**6})
    with pytest.raises(OutOfMemoryError, match=r"Use --embedding-size \d+ or less\."):  # noqa: SIM117
        with out_of_memory(config, RunDirectory(Path("runs/one")), needs=needs):
            raise MemoryError


def test_a_call_that_main_memory_is_too_small_for_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    program = jit(lambda x: jnp.sort(x @ x.T @ x, axis=0)[::-1] @ x).lower(jnp.zeros((512, 512))).compile()
    little = Needs(encoder=1, head=1, embedding=1, images=10, batch=1)
    require_memory(CONFIG, program, None, little)
    monkeypatch.setattr("simo2_core.train.memory.host_memory_free", lambda: 10**6)
    with pytest.raises(OutOfMemoryError, match=r"needs .* MB of memory, and 1\.0 MB are free\. Use --batch-size"):
        require_memory(CONFIG, program, None, little)


def test_a_device_that_is_really_out_of_memory_is_recognised() -> None:
    with pytest.raises(OutOfMemoryError), out_of_memory(CONFIG, RunDirectory(Path("runs/one"))):
        jnp.zeros((2**46,), jnp.uint8).block_until_ready()


def test_other_errors_of_the_device_pass() -> None:
    error = jax.errors.JaxRuntimeError("INTERNAL: something else")
    with pytest.raises(jax.errors.JaxRuntimeError), out_of_memory(CONFIG, RunDirectory(Path("runs/one"))):
        raise error


def test_a_compiled_program_decides_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    program = jit(lambda x: jnp.sort(x @ x.T @ x, axis=0)[::-1] @ x).lower(jnp.zeros((512, 512))).compile()
    needs = program.memory_analysis()
    assert needs.temp_size_in_bytes > 0
    room = int((needs.argument_size_in_bytes + needs.temp_size_in_bytes / 2) / SHARE) - needs.argument_size_in_bytes
    monkeypatch.setattr("simo2_core.data.placement.host_memory_free", lambda: room)
    with pytest.raises(OutOfMemoryError, match=r"--batch-size (128|160)\."):  # noqa: SIM117
        with out_of_memory(CONFIG, RunDirectory(Path("runs/one")), program):
            raise MemoryError


def test_the_suggested_chunk_is_the_largest_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = CONFIG.replace(
        {"widths": "8", "stem_width": 4, "samples_per_class": 40, "batch_size": 400,
         "objective": "cross_entropy", "optimizer": "sgd", "dropout": 0.0}
    )  # fmt: skip
    data = place(load_dataset(tiny.data))

    @functools.cache
    def compile(size: int) -> Any:
        step, state = make_training(tiny.replace({"chunk_size": size}), 10, (8, 8, 1))
        return compile_call(step, state, data).program

    program = compile(0)
    half = compile(200)
    between = [made.memory_analysis().temp_size_in_bytes for made in (program, compile(50))]
    assert between[1] < between[0] / 4, "the activations are those of a chunk"
    room = int(1.02 * program_bytes(half) / SHARE)
    monkeypatch.setattr(
        "simo2_core.data.placement.host_memory_free", lambda: room - program.memory_analysis().argument_size_in_bytes
    )
    with pytest.raises(OutOfMemoryError, match=r"Use --chunk-size (19\d|2[01]\d), which"):  # noqa: SIM117
        with out_of_memory(tiny, RunDirectory(Path("runs/one")), program, Chunking(400, compile)):
            raise MemoryError
    assert fitting_chunk(Chunking(400, compile), program, 1000) is None, "not even the smallest"
    known = compile.cache_info().currsize
    assert fitting_chunk(Chunking(1, compile), program, 10**12) is None, "nothing is smaller"
    assert compile.cache_info().currsize == known, "and nothing is compiled to hear it"


def test_the_trainer_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("simo2_core.train.preparation.load_dataset", load_dataset)
    with pytest.raises(OutOfMemoryError, match="on the host"):
        next(train(CONFIG, RunDirectory.create(tmp_path, "one", CONFIG), Control()))
