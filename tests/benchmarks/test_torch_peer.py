"""A training step of ResNet-18 against PyTorch's, one step of each in turn; run by name, with -s:

    SIMO2_TORCH_PYTHON=/path/to/a/python/with/torch pytest tests/benchmarks/test_torch_peer.py -s

Ours draws its batch, augments it, and takes the loss of the preset; theirs is in `torch_peer.py`.
"""

import os
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from simo2_core.bench.stages import whole_step
from simo2_core.bench.synthetic import synthetic_dataset
from simo2_core.presets import PRESETS
from simo2_core.processor import multiplies_bfloat16
from simo2_core.train.feed import place
from simo2_core.train.step import compile_call, make_training

PYTHON = os.environ.get("SIMO2_TORCH_PYTHON")
TURNS = int(os.environ.get("SIMO2_TORCH_TURNS", "7"))

AIMS = {
    ("64,128,256,512", 160, "float32"): 0.95,
    ("16,32,64,128", 320, "float32"): 1.2,
    ("64,128,256,512", 160, "bfloat16"): 1.3,
    ("16,32,64,128", 320, "bfloat16"): 2.0,
}
"""Widths, batch and precision, and the share of PyTorch's time that is asked for."""


def make_ours(widths, batch, precision):
    preset = PRESETS["cifar10"]
    config = preset.config.replace(
        {"encoder": "resnet18", "norm": "batch", "widths": widths, "batch_size": batch, "precision": precision,
         "samples_per_class": batch // 10, "steps": 10_000}
    )  # fmt: skip
    dataset = synthetic_dataset(preset, config)
    step, state = make_training(config, len(dataset.class_names), dataset.image_shape)
    data = place(dataset)
    run = whole_step(compile_call(step, state, data), state, data)
    run(1)

    def seconds():
        start = time.perf_counter()
        run(1)
        return time.perf_counter() - start

    return seconds


@pytest.mark.skipif(PYTHON is None, reason="SIMO2_TORCH_PYTHON names no Python with torch")
@pytest.mark.parametrize(("widths", "batch", "precision"), AIMS)
def test_a_step_of_resnet18_against_pytorch(widths, batch, precision):
    if precision == "bfloat16" and not multiplies_bfloat16():
        pytest.skip("needs a processor with units for bfloat16, and jax 0.12")
    ours = make_ours(widths, batch, precision)
    command = [
        PYTHON,
        str(Path(__file__).with_name("torch_peer.py")),
        widths,
        str(batch),
        precision,
        str(os.cpu_count()),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        name = peer.stdout.readline().strip()

        def theirs():
            peer.stdin.write("step\n")
            peer.stdin.flush()
            return float(peer.stdout.readline())

        turns = [(ours(), theirs()) for _ in range(TURNS)]
        peer.stdin.close()
    ratio = statistics.median(mine / other for mine, other in turns)
    mine, other = (1e3 * min(seconds) for seconds in zip(*turns, strict=True))
    load = os.getloadavg()[0]
    print(f"\n{widths} {batch} {precision}: {ratio:.2f} of {name}'s; {mine:.0f} ms, {other:.0f} ms; load {load:.1f}")
    assert ratio <= AIMS[widths, batch, precision]
