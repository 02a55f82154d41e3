"""The loss, value and gradient, against a gather of all pairs; run by name: pytest tests/benchmarks/test_loss.py -s."""

import json
import resource
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.data.placement import host_memory_free
from simo2_core.loss import simo2_loss
from tests.benchmarks.interleaved import best_of_each
from tests.benchmarks.original import loss_by_gathered_pairs

GATHER_BYTES = 22_000_000_000
"""What gathering the pairs of a thousand classes takes."""


def ours(z_ckd):
    return simo2_loss(z_ckd).total


RIVALS = {"ours": ours, "gathered": loss_by_gathered_pairs}


def batch(shape):
    z = np.random.default_rng(0).normal(size=shape)
    return jnp.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True), jnp.float32)


def planned_bytes(loss, z):
    return jit(jax.value_and_grad(loss)).lower(z).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(("shape", "times"), [((10, 16, 16), 0.7), ((10, 32, 16), 1), ((100, 16, 64), 30)])
def test_so_many_times_faster_than_a_gather(shape, times):
    z = batch(shape)
    best = best_of_each({name: jax.value_and_grad(loss) for name, loss in RIVALS.items()}, z)
    memory = {name: planned_bytes(loss, z) / 1e6 for name, loss in RIVALS.items()}
    print(f"\n{shape}:", ", ".join(f"{name} {best[name]:.2f} ms, {memory[name]:.1f} MB" for name in best))
    assert times * best["ours"] < best["gathered"]


def in_a_process_of_its_own(name):
    """(seconds, bytes that it took at most) of value and gradient at a thousand classes."""
    command = [sys.executable, "-m", "tests.benchmarks.test_loss", name]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(host_memory_free() < GATHER_BYTES, reason="gathering takes 22 GB")
def test_a_thousand_classes_against_a_gather():
    """In turns: ours, the gather, ours. Of ours the slower counts."""
    before, gathered, after = (in_a_process_of_its_own(name) for name in ("ours", "gathered", "ours"))
    seconds, memory = (max(pair) for pair in zip(before, after, strict=True))
    print(
        f"\n(1000, 32, 64): {1e3 * seconds:.0f} ms and {memory / 1e6:.0f} MB, "
        f"gathered {gathered[0]:.1f} s, {gathered[0] / seconds:.0f} times that, "
        f"and {gathered[1] / 1e9:.1f} GB, {gathered[1] / memory:.0f} times that"
    )
    assert gathered[0] > 50 * seconds
    assert gathered[1] > 25 * memory


def measure(name):
    z = batch((1000, 32, 64))
    loss = jit(jax.value_and_grad(RIVALS[name])).lower(z).compile()
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(10 if name == "ours" else 1):
        start = time.perf_counter()
        jax.block_until_ready(loss(z))
        seconds.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return min(seconds), (after - before) * 1024  # Linux counts in KiB


if __name__ == "__main__":
    with jax.numpy_rank_promotion("allow"):
        print(json.dumps(measure(sys.argv[1])))
