"""Training steps on a GPU, against PyTorch's, and what share of the machine they reach.

    python -m tests.benchmarks.accelerator [/path/to/a/python/with/torch]

Ours draws its batch, augments it, and moves airbench by Muon; theirs, in `torch_peer.py`, has one batch of noise, and
SGD.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from simo2_core.bench.machine import make_products
from simo2_core.bench.measure import count_operations
from simo2_core.bench.stages import Run, whole_step
from simo2_core.bench.synthetic import synthetic_dataset
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import compile_call, make_training

FULL = "64,128,256,512"
NETWORKS: dict[str, tuple[int, dict[str, Any], tuple[str, str] | None]] = {
    "airbench 64/256/256": (
        500,
        {"recipe": "fast", "objective": "cross_entropy", "grow_from": 0, "steps": 5000},
        ("airbench", "64,256,256"),
    ),
    "ResNet-18 64-512": (1020, {"encoder": "resnet18", "norm": "batch", "widths": FULL}, ("resnet18", FULL)),
    "YatCNN": (320, {}, None),
    "its plain twin": (320, {"encoder": "cnn"}, None),
}
"""Images of a batch, settings beside those of the preset cifar10, and what `torch_peer.py` calls the same network."""

ROUNDS, STEPS = 3, 20


def best(run: Run) -> float:
    """Seconds a step, of the fastest round."""
    run(STEPS)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run(STEPS)
        seconds.append((time.perf_counter() - start) / STEPS)
    return min(seconds)


def of_torch(python: str, network: str, widths: str, batch: int) -> float:
    """Seconds a step in bfloat16, of the fastest of as many rounds."""
    command = [python, str(Path(__file__).with_name("torch_peer.py")), network, widths, str(batch), "bfloat16", "0"]
    steps = f"{STEPS}\n" * (ROUNDS + 1)
    told = subprocess.run(command, input=steps, capture_output=True, text=True, check=True).stdout.splitlines()
    return min(float(line) for line in told[2:]) / STEPS


def main() -> None:
    product, operations = make_products(jnp.bfloat16)
    peak = operations / best(product)
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: a product in bfloat16 {peak / 1e12:.0f} TFLOP/s")
    for name, (batch, settings, peer) in NETWORKS.items():
        shape = {"batch_size": batch, "samples_per_class": batch // 10, "precision": "bfloat16"}
        config = PRESETS["cifar10"].config.replace({**settings, **shape})
        dataset = synthetic_dataset(PRESETS["cifar10"], config)
        step, state = make_training(config, len(dataset.class_names), dataset.image_shape)
        data = place(dataset)
        rate = count_operations(step, state, data)
        start = time.perf_counter()
        call = compile_call(step, state, data)
        compiling = time.perf_counter() - start
        seconds = best(whole_step(call, state, data))
        line = f"{name}, {batch} images: {1e3 * seconds:.2f} ms, {batch / seconds:,.0f} images/s, "
        line += f"{rate / seconds / peak:.0%} of that; compiled in {compiling:.0f} s"
        if peer is not None and len(sys.argv) > 1:
            theirs = of_torch(sys.argv[1], *peer, batch)
            line += f"; PyTorch {1e3 * theirs:.2f} ms, ours over theirs {seconds / theirs:.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
