"""Training steps of ResNet-18 and airbench against PyTorch's, one step of each in turn; run by name, with -s:

    SIMO2_TORCH_PYTHON=/path/to/a/python/with/torch pytest tests/benchmarks/test_torch_peer.py -s

Ours draws its batch, augments it, and takes the loss of the preset; theirs is in `torch_peer.py`.
"""

import os
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from simo2_core import recipes
from simo2_core.bench.stages import whole_step
from simo2_core.bench.synthetic import synthetic_dataset
from simo2_core.presets import PRESETS
from simo2_core.processor import multiplies_bfloat16
from simo2_core.train.feed import place
from simo2_core.train.step import compile_call, make_training

PYTHON = os.environ.get("SIMO2_TORCH_PYTHON")
TURNS = int(os.environ.get("SIMO2_TORCH_TURNS", "5"))
STEPS = int(os.environ.get("SIMO2_TORCH_STEPS", "4"))
"""Of each a turn: the first of ours asks the system for its memory, which training does once for many steps."""

AIMS = {
    ("resnet18", "64,128,256,512", 160, "float32"): 0.95,
    ("resnet18", "16,32,64,128", 320, "float32"): 1.2,
    ("resnet18", "64,128,256,512", 160, "bfloat16"): 1.3,
    ("resnet18", "16,32,64,128", 320, "bfloat16"): 2.0,
    ("airbench", "64,256,256", 1000, "float32"): 1.0,
    ("airbench", "64,256,256", 1000, "bfloat16"): 1.3,
}
"""Network, widths, batch and precision, and the share of PyTorch's time that is asked for."""


def make_config(network, widths, batch, precision):
    always = {"batch_size": batch, "samples_per_class": batch // 10, "precision": precision, "steps": 10_000}
    if network == "resnet18":
        given = {**always, "encoder": "resnet18", "norm": "batch", "widths": widths}
    else:  # whole images from the first step on, which is what the other takes
        given = {**always, "objective": "cross_entropy", "groups": widths, "grow_from": 0}
        given = {**recipes.added("fast", given), **given}
    return PRESETS["cifar10"].config.replace(given)


def make_ours(network, widths, batch, precision):
    config = make_config(network, widths, batch, precision)
    dataset = synthetic_dataset(PRESETS["cifar10"], config)
    step, state = make_training(config, len(dataset.class_names), dataset.image_shape)
    data = place(dataset)
    run = whole_step(compile_call(step, state, data), state, data)
    run(1)

    def seconds():
        start = time.perf_counter()
        run(STEPS)
        return (time.perf_counter() - start) / STEPS

    return seconds


@pytest.mark.skipif(PYTHON is None, reason="SIMO2_TORCH_PYTHON names no Python with torch")
@pytest.mark.parametrize(("network", "widths", "batch", "precision"), AIMS)
def test_a_step_against_pytorch(network, widths, batch, precision):
    if precision == "bfloat16" and not multiplies_bfloat16():
        pytest.skip("needs a processor with units for bfloat16, and jax 0.12")
    ours = make_ours(network, widths, batch, precision)
    command = [
        PYTHON,
        str(Path(__file__).with_name("torch_peer.py")),
        network,
        widths,
        str(batch),
        precision,
        str(os.cpu_count()),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        name = peer.stdout.readline().strip()

        def theirs():
            peer.send_signal(signal.SIGCONT)
            peer.stdin.write("1\n" * STEPS)
            peer.stdin.flush()
            seconds = sum(float(peer.stdout.readline()) for _ in range(STEPS)) / STEPS
            peer.send_signal(signal.SIGSTOP)  # its threads go on waiting for work, and take that of ours
            return seconds

        turns = [(ours(), theirs()) for _ in range(TURNS)]
        peer.send_signal(signal.SIGCONT)
        peer.stdin.close()
    ratio = statistics.median(mine / other for mine, other in turns)
    mine, other = (1e3 * min(seconds) for seconds in zip(*turns, strict=True))
    print(f"\n{network} {widths} {batch} {precision}: {ratio:.2f} of {name}'s;", end=" ")
    print(f"{mine:.0f} ms, {other:.0f} ms; load {os.getloadavg()[0]:.1f}")
    assert ratio <= AIMS[network, widths, batch, precision]
