"""Eight devices train what one trains, and go on from each other's checkpoints."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.events import RunStarted, StepsLogged
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.feed import Feed
from simo2_core.train.step import compile_call, make_training
from simo2_core.train.trainer import train

EVEN = PRESETS["digits"].config.replace(
    {"widths": "8", "stem_width": 4, "samples_per_class": 4, "batch_size": 40, "steps": 12, "learning_rate": 1e-3,
     "eval_every": "never", "plot_every": "never", "checkpoint_every": "6"}
)  # fmt: skip
UNEVEN = EVEN.replace({"samples_per_class": 3, "batch_size": 30, "sampling": "balanced"})
"""Filled up to 32 images for eight devices, and drawn in shuffled passes."""

CHILD = """
import sys
from pathlib import Path
import numpy as np
from tests.simo2_core.train.test_devices import EVEN, UNEVEN, six_steps, traffic, train_to_six
folder = Path(sys.argv[1])
even, program = six_steps(EVEN)
streamed, _ = six_steps(EVEN, where="host")
uneven, _ = six_steps(UNEVEN.replace({"chunk_size": 16}))
np.savez(folder / "totals.npz", even=even, streamed=streamed, uneven=uneven)
(folder / "traffic.txt").write_text("\\n".join(traffic(program)))
train_to_six(folder)
"""


def six_steps(config: Config, where: str = "device") -> tuple[NDArray[np.float32], str]:
    """Losses of the first steps, and the program that took them."""
    dataset = load_dataset(config.data)
    step, state = make_training(config, 10, dataset.image_shape)
    feed = Feed(dataset, config, state, where)  # type: ignore[arg-type]
    data = feed.data(0)
    call = compile_call(dataclasses.replace(step, chunk=feed.chunk), state, data)
    _, rows, _ = call(state, data, 6)
    feed.close()
    return np.asarray(rows.total)[:6], call.program.as_text()


def traffic(program: str) -> list[str]:
    """What the devices send each other in a step, as lines of the compiled program."""
    return [line for line in program.splitlines() if re.search(r" (all-|collective|reduce-scatter)[a-z-]*\(", line)]


def train_to_six(folder: Path) -> None:
    """A run that is stopped after six steps, with a checkpoint."""
    run = RunDirectory.create(folder, "run", EVEN)
    control = Control()
    for event in record(train(EVEN, run, control, pictures=False), run):
        if isinstance(event, StepsLogged) and event.last_step == 6:
            control.send("stop", "test")


def totals(run: RunDirectory) -> list[float]:
    return [total for event in run.events() if isinstance(event, StepsLogged) for total in event.total]


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process with eight devices left behind."""
    folder = tmp_path_factory.mktemp("eight")
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "XLA_FLAGS": flags,
                   "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # fmt: skip  # as this process: it is of machine code alone
    subprocess.run([sys.executable, "-c", CHILD, str(folder)], env=environment, check=True, timeout=300)
    return folder


@pytest.mark.slow
def test_eight_devices_train_what_one_trains(eight: Path) -> None:
    with np.load(eight / "totals.npz") as found:
        np.testing.assert_allclose(found["even"], six_steps(EVEN)[0], rtol=1e-5)
        np.testing.assert_allclose(found["streamed"], found["even"], rtol=1e-5)
        np.testing.assert_allclose(found["uneven"], six_steps(UNEVEN)[0], rtol=1e-5)


@pytest.mark.slow
def test_devices_send_each_other_embeddings_and_gradients_alone(eight: Path) -> None:
    lines = (eight / "traffic.txt").read_text().splitlines()
    gathered = [re.findall(r"= (\S+?)\{", line) for line in lines if " all-gather(" in line]
    assert gathered == [["f32[40,16]"]]
    assert len(lines) > 1
    assert all(" all-gather(" in line or " all-reduce(" in line for line in lines)


@pytest.mark.slow
def test_one_device_goes_on_from_the_checkpoint_of_eight(eight: Path, tmp_path: Path) -> None:
    run = RunDirectory.open(eight / "run")
    started = next(event for event in run.events() if isinstance(event, RunStarted))
    assert started.device.startswith("8 x ")
    list(record(train(EVEN, run, Control(), pictures=False), run))
    alone = RunDirectory.create(tmp_path, "alone", EVEN)
    list(record(train(EVEN, alone, Control(), pictures=False), alone))
    np.testing.assert_allclose(totals(run), totals(alone), rtol=1e-5)
    assert len(totals(run)) == 12
