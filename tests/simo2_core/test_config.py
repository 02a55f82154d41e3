import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core import parts
from simo2_core.config import Config, ModelConfig, all_settings
from simo2_core.encoders.resnet18 import ResNet18
from simo2_core.errors import ConfigError
from simo2_core.objectives.supcon import SupCon
from simo2_core.presets import PRESETS, find_preset
from simo2_core.settings import Cadence


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name: str) -> None:
    config = PRESETS[name].config
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.preset == name


def test_leaf_names_are_unique_and_every_leaf_can_be_set_by_name() -> None:
    names = [item.name for item in all_settings()]
    assert len(set(names)) == len(names)
    config = Config()
    for item in all_settings():
        part = {item.kind: item.parts[0]} if item.parts and not config.has(item.name) else {}
        having = config.replace(part)
        assert item.parts or having.get(item.name) == item.default
        assert having.replace({item.name: having.get(item.name)}) == having


def test_replace_changes_the_leaf_wherever_it_lives() -> None:
    config = Config().replace({"embedding_size": 5, "steps": "7", "epsilon": "1/137", "widths": "8,16"})
    assert (config.model.embedding_size, config.steps, config.get("widths")) == (5, 7, (8, 16))
    assert config.get("epsilon") == 1 / 137


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples_per_class": 1}, "samples_per_class is 1; it must be 2 or more"),
        ({"batch_size": 40}, "Use --batch-size 64 or more"),
        ({"embedding_size": 1}, "embedding_size is 1; it must be 2 or more"),
        ({"embeding_size": 8}, "Did you mean embedding_size"),
        ({"optimizer": "adm"}, "Did you mean adam"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"steps": "4.5"}, "steps is '4.5'; it must be a whole number"),
        ({"steps": True}, "steps is True"),
        ({"schedule": "warmup_cosine", "warmup_steps": 500}, "warmup_steps is 500; it must be below the 400 steps"),
        ({"flip": "maybe"}, "flip is 'maybe'; it must be true or false"),
        ({"eval_every": "3x"}, "'3x' is no cadence"),
        ({"patience": 3, "eval_every": "never"}, "patience is 3; it must be 0 with --eval-every never"),
        ({"max_passes": 3}, "max_passes is 3; it must be 0 without --minutes"),
        ({"widths": "8,,"}, "widths is ''"),
        ({"epsilon": "1/0"}, "epsilon is '1/0'"),
        ({"dataset": " "}, "dataset is ' '"),
    ],
)
def test_what_cannot_work_is_refused_with_its_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config().replace(changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_or_unknown_config_is_refused() -> None:
    good = Config().to_json()
    for bad in ({**good, "format": 99}, {**good, "stepz": 3}, {**good, "model": 3}, {}, 3):
        with pytest.raises(ConfigError):
            Config.from_json(bad)  # type: ignore[arg-type]


def _objects_in(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _objects_in(inner)


def test_settings_of_another_part_are_refused_and_kept_where_both_have_them() -> None:
    with pytest.raises(
        ConfigError, match=r"temperature is a setting of the objective ntce, .*, supcon or simclr, and this run"
    ):
        Config().replace({"temperature": 0.2})
    config = Config().replace({"objective": "supcon", "temperature": 0.2, "encoder": "resnet18", "widths": "8,16"})
    assert config.replace({"objective": "simclr", "labels": "none"}).get("temperature") == 0.2
    assert config.replace({"encoder": "cnn"}).get("widths") == (8, 16)
    assert not config.replace({"encoder": "cnn"}).has("norm")
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_settings_of_format_1_are_read_and_what_other_parts_had_is_dropped() -> None:
    old = {
        "format": 1,
        "data": {"dataset": "digits"},
        "augment": {"brightness": 0.1, "flip": True, "crop": 0.5},
        "model": {"encoder": "resnet18", "norm": "batch", "stem_width": 3, "widths": [4, 8], "dropout": 0.1,
                  "embedding_size": 7, "precision": "float32"},
        "objective": {"objective": "supcon", "labels": "none", "temperature": 0.3, "epsilon": 0.1, "noise": 0.2},
        "steps": 9,
    }  # fmt: skip
    config = Config.from_json(old)
    assert config.objective == SupCon(temperature=0.3)
    assert config.model.encoder == ResNet18(norm="batch", widths=(4, 8))
    read = {name: config.get(name) for name in ("labels", "brightness", "contrast", "flip", "embedding_size", "steps")}
    assert read == {"labels": "none", "brightness": 0.1, "contrast": 0.2, "flip": True, "embedding_size": 7, "steps": 9}
    with pytest.raises(ConfigError, match="unknown setting 'epsilom'"):
        Config.from_json({**old, "objective": {"objective": "simo2", "epsilom": 1}})


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(), st.lists, max_leaves=4))
def test_any_json_value_of_a_setting_is_read_or_refused(value: object) -> None:
    data = Config().to_json()
    for name in ("steps", "eval_every", "widths", "flip", "learning_rate", "dataset"):
        holder = next(found for found in _objects_in(data) if name in found)
        holder[name] = value
        try:
            Config.from_json(data)
        except ConfigError:
            data = Config().to_json()


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean digits"):
        find_preset("digit")


def test_classes_per_batch_is_the_original_rule() -> None:
    config = Config().replace({"batch_size": 320, "samples_per_class": 32})
    assert config.classes_per_batch(100) == 10
    assert config.classes_per_batch(4) == 4


@pytest.mark.parametrize("objective", sorted({*parts.own("objective")} - {"arcface", "autoencoder", "cross_entropy"}))
def test_classes_in_proportion_are_for_objectives_that_compare_no_images(objective: str) -> None:
    config = Config().replace({"objective": objective, "labels": "none" if objective == "simclr" else "classes"})
    with pytest.raises(
        ConfigError, match=f"sampling is .proportional.; it must be balanced or replacement for {objective}"
    ):
        config.replace({"sampling": "proportional"})


def test_what_looks_at_each_image_by_itself_may_draw_classes_in_proportion() -> None:
    config = Config().replace({"sampling": "proportional", "objective": "cross_entropy"})
    assert config.batch_shape(10) == (config.classes_per_batch(10) * config.samples_per_class, 1)
    assert config.replace({"sampling": "balanced"}).batch_shape(10) == (10, config.samples_per_class)


def test_a_flip_alternates_only_where_it_is_counted_how_often_an_image_came() -> None:
    with pytest.raises(ConfigError, match="Add --flip"):
        Config().replace({"alternate_flip": True, "sampling": "balanced"})
    with pytest.raises(ConfigError, match="Use --sampling balanced"):
        Config().replace({"alternate_flip": True, "flip": True})


def test_settings_of_before_batches_could_be_shuffled_draw_as_they_did() -> None:
    body = Config().to_json()
    del body["sampling"]
    assert Config.from_json(body).sampling == "replacement"


def test_sections_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().embedding_size = 5  # type: ignore[misc]


@given(st.one_of(st.integers(1, 10**9).map(str), st.integers(1, 9999).map(lambda n: f"{n}s"), st.just("never")))
def test_cadence_reads_what_it_writes(text: str) -> None:
    cadence = Cadence.parse(text)
    assert Cadence.parse(str(cadence)) == cadence


def test_cadence_is_due_by_steps_by_time_or_never() -> None:
    every = Cadence.parse("100")
    assert every.due(step=200, last_step=150, now=0, last_time=0)
    assert not every.due(step=199, last_step=150, now=9e9, last_time=0)
    assert every.steps_until(150) == 50
    timed = Cadence.parse("2m")
    assert timed.due(step=1, last_step=0, now=120, last_time=0)
    assert not timed.due(step=1, last_step=0, now=119, last_time=0)
    assert not timed.due(step=1, last_step=1, now=999, last_time=0), "nothing has happened since"
    assert not Cadence.parse("never").due(step=10**9, last_step=0, now=9e9, last_time=0)
