from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simo2_core.checkpoints.checkpoint import find_checkpoint, load
from simo2_core.compiling import jit
from simo2_core.config import Config, FinetuneConfig
from simo2_core.data.load import load_dataset
from simo2_core.errors import CheckpointError, ConfigError
from simo2_core.events import Evaluated, Event, StepsLogged, WeightsLoaded
from simo2_core.objectives.objective import PREFIX
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.feed import place
from simo2_core.train.finetune_optimizer import limit_updates
from simo2_core.train.step import make_training
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

TINY = DIGITS.replace(QUIET | {"steps": 8, "learning_rate": 1e-2})
TUNED = TINY.replace({"objective": "cross_entropy", "label_smoothing": 0.1})


def run_to_the_end(folder: Path, name: str, config: Config) -> tuple[RunDirectory, list[Event]]:
    run = RunDirectory.create(folder, name, config)
    return run, list(record(train(config, run, Control(run.control), pictures=False), run, say=lambda _: None))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return run_to_the_end(tmp_path_factory.mktemp("runs"), "first", TINY)[0]


def test_training_begins_with_the_encoder_and_a_fresh_classifier_and_resumes(
    pretrained: RunDirectory, tmp_path: Path
) -> None:
    config = TUNED.replace({"init": str(pretrained.path), "freeze": True})
    run, events = run_to_the_end(tmp_path, "second", config)
    told = next(event for event in events if isinstance(event, WeightsLoaded))
    assert told.fresh == ("objective/classifier/bias", "objective/classifier/kernel")
    assert "encoder/block0/conv/kernel" in told.loaded
    assert told.unused == ()
    test = [event for event in events if isinstance(event, Evaluated) and event.split == "test"]
    assert len(test) == 1
    assert test[0].classifier is not None
    first, _ = load(find_checkpoint(pretrained.checkpoints))
    after, _ = load(find_checkpoint(run.checkpoints))
    for name in told.loaded:  # frozen: nothing of the encoder has moved
        np.testing.assert_array_equal(after[f"params/{name}"], first[f"params/{name}"], err_msg=name)
    losses = [value for event in events if isinstance(event, StepsLogged) for value in event.total]
    assert losses[-1] < losses[0]

    # stopped half-way and resumed, without looking at the first run again
    part, control = RunDirectory.create(tmp_path, "third", config), Control()
    for event in record(train(config, part, control, pictures=False), part, say=lambda _: None):
        if isinstance(event, StepsLogged) and event.last_step >= 2:
            control.send("stop", "test")
    for event in record(train(config, part, control, pictures=False), part, say=lambda _: None):
        assert not isinstance(event, WeightsLoaded)
    resumed, _ = load(find_checkpoint(part.checkpoints))
    for name, array in after.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)


def test_an_average_begins_with_the_weights_that_were_loaded(pretrained: RunDirectory, tmp_path: Path) -> None:
    config = TINY.replace({"init": str(pretrained.path), "average": 0.9, "learning_rate": 1e-9})
    run, events = run_to_the_end(tmp_path, "averaged", config)
    assert len([event for event in events if isinstance(event, Evaluated)]) == 2
    first, after = (load(find_checkpoint(each.checkpoints))[0] for each in (pretrained, run))
    for name, value in first.items():
        if name.startswith("params/"):
            np.testing.assert_allclose(after[f"average/{name}"], value, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": "16"}, "block0/conv/bias is .*--widths"),
        ({"widths": "8,8"}, "has no params/encoder/block1"),
        ({"encoder": "cnn"}, "--encoder"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    pretrained: RunDirectory, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    config = TUNED.replace({"init": str(pretrained.path), **change})
    run = RunDirectory.create(tmp_path, "other", config)
    with pytest.raises(CheckpointError, match=said):
        next(train(config, run, Control(run.control)))


def test_blocks_near_the_input_move_slower() -> None:
    params = {name: jnp.ones(()) for name in ("encoder/stem/kernel", "encoder/block0/conv/kernel", "head/kernel",
                                              "encoder/block1/conv/kernel", "encoder/final_norm/norm/scale",
                                              f"{PREFIX}classifier/kernel")}  # fmt: skip
    slow = limit_updates(optax.sgd(1.0), FinetuneConfig(layer_decay=0.5))
    updates, _ = slow.update(params, slow.init(params), params)
    assert {name: float(value) for name, value in updates.items()} == {
        "encoder/stem/kernel": -0.125,
        "encoder/block0/conv/kernel": -0.25,
        "encoder/block1/conv/kernel": -0.5,
        "encoder/final_norm/norm/scale": -1,
        "head/kernel": -1,
        f"{PREFIX}classifier/kernel": -1,
    }


def test_frozen_means_nothing_decays_either() -> None:
    config = TUNED.replace({"freeze": True, "optimizer": "adamw", "weight_decay": 0.5, "encoder": "resnet18",
                            "norm": "batch", "widths": "8"})  # fmt: skip
    dataset = load_dataset(config.data)
    step, state = make_training(config, 10, dataset.image_shape)
    after, _, _ = jit(step)(state, place(dataset), step.course)
    for name, value in state.params.items():
        assert np.array_equal(after.params[name], value) != name.startswith(PREFIX), name
    for name, value in state.stats.items():
        np.testing.assert_array_equal(after.stats[name], value, err_msg=name)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="no classifier"):
        TINY.replace({"freeze": True})
    with pytest.raises(ConfigError, match="one of the two"):
        TINY.replace({"label_fraction": 0.5, "labels_per_class": 5})
