"""Where the time of a training step goes, by kind of work, from the profile that XLA writes of itself:

    export XLA_FLAGS=--xla_cpu_multi_thread_eigen=false
    taskset -c 1 python -m tests.benchmarks.profile_step resnet18 16,32,64,128 320 float32
    taskset -c 1 python -m tests.benchmarks.profile_step digits

With SIMO2_TORCH_PYTHON, PyTorch's step of the same network beside it, from its own profiler. On one processor, as here,
the kinds sum up to the step; on several XLA hands convolutions over, and only how long that takes is in its profile.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import jax

from simo2_core.bench.stages import whole_step
from simo2_core.bench.synthetic import synthetic_dataset
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import compile_call, make_training
from tests.benchmarks.test_torch_peer import make_config

STEPS = 4
KINDS = (
    ("convolutions, forward", r"/jvp\(.*(conv_general|dot_general)", "convolution(?!_backward)"),
    ("convolutions, backward", r"transpose\(jvp.*(conv_general|dot_general|while/body)", "convolution_backward"),
    ("dropout and other draws", r"random|threefry|vmap\(\)/while", "dropout|rand"),
    ("norms, activations, sums, forward", r"/jvp\(", "batch_norm$|relu$|clamp_min|gelu$|add_?$|max_pool2d|mean|amax"),
    ("the same, backward", r"transpose\(jvp", "batch_norm_backward|threshold|gelu_backward|pool.*backward"),
)
"""Name, what XLA's name of an operation has, and what PyTorch's has; the first that fits. The rest is called so."""
INSTRUCTION = re.compile(r"\s*(?:ROOT )?%?([\w.-]+) = ")
COMPUTATION = re.compile(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$")


def names(program: str) -> dict[str, str]:
    """Of each instruction of a compiled program, what it was in ours; of a call, the last of what is in it."""
    found: dict[str, str] = {}
    bodies: dict[str, list[str]] = {}
    calls: dict[str, str] = {}
    body: list[str] = []
    for line in program.splitlines():
        if computation := COMPUTATION.match(line):
            body = bodies.setdefault(computation[1], [])
        if not (instruction := INSTRUCTION.match(line)):
            continue
        if operation := re.search(r'op_name="([^"]*)"', line):
            found[instruction[1]] = operation[1]
            body.append(operation[1])
        if called := re.search(r"(?:to_apply|calls)=%?([\w.-]+)", line):
            calls[instruction[1]] = called[1]
    for instruction_name, called_name in calls.items():
        if instruction_name not in found and bodies.get(called_name):
            found[instruction_name] = bodies[called_name][-1]
    return found


def kind_of(name: str, column: int) -> str:
    return next((kind[0] for kind in KINDS if re.search(kind[column], name)), "the rest")


def ours(network: str, widths: str = "", batch: str = "0", precision: str = "") -> tuple[Counter[str], float]:
    """Milliseconds of a step by kind, and of a whole step that nothing watched."""
    preset = PRESETS["digits" if network == "digits" else "cifar10"]
    config = preset.config if network == "digits" else make_config(network, widths, int(batch), precision)
    dataset = synthetic_dataset(preset, config)
    step, state = make_training(config, len(dataset.class_names), dataset.image_shape)
    data = place(dataset)
    call = compile_call(step, state, data)
    run = whole_step(call, state, data)
    run(1)
    start = time.perf_counter()
    run(STEPS)
    whole = 1e3 * (time.perf_counter() - start) / STEPS
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run(STEPS)
        (file,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    named = names(call.program.as_text())
    spent: Counter[str] = Counter()
    for event in events:
        name = event.get("name", "")
        if event.get("ph") != "X" or re.match("while|tuple|parameter|conditional", name):
            continue
        if name in named:
            spent[kind_of(named[name], 1)] += event["dur"] / 1e3 / STEPS
    return spent, whole


def theirs(arguments: list[str]) -> Counter[str]:
    """PyTorch's milliseconds of a step by kind; nothing where no Python with torch is named."""
    python = os.environ.get("SIMO2_TORCH_PYTHON")
    if not python or arguments[0] == "digits":
        return Counter()
    peer = Path(__file__).with_name("torch_peer.py")
    command = [python, str(peer), *arguments, str(len(os.sched_getaffinity(0))), "profile"]
    said = subprocess.run(command, input="1\n" * STEPS, capture_output=True, text=True, check=True).stdout
    spent: Counter[str] = Counter()
    for name, milliseconds in json.loads(said.splitlines()[-1]).items():
        spent[kind_of(name, 2)] += milliseconds / STEPS
    return spent


if __name__ == "__main__":
    peers = theirs(sys.argv[1:])  # first: threads of ours would wait for work beside it
    mine, whole = ours(*sys.argv[1:])
    for kind in [*(kind[0] for kind in KINDS), "the rest"]:
        print(f"{kind:36} {mine[kind]:8.1f} ms" + (f" {peers[kind]:8.1f} ms" if peers else ""))
    print(f"{'sum':36} {mine.total():8.1f} ms" + (f" {peers.total():8.1f} ms" if peers else ""))
    print(f"{'a step that is not watched':36} {whole:8.1f} ms")
