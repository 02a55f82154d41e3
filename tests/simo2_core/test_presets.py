"""The table of presets against what the data sets themselves say."""

import dataclasses
import itertools

import pytest

from simo2_core.config import Config
from simo2_core.errors import ConfigError
from simo2_core.first_settings import first_settings
from simo2_core.presets import PRESETS, Preset, config_for, data_name, find_preset

TFDS_PRESETS = [name for name in PRESETS if name != "digits"]

ROWS = (
    "digits mnist fashion_mnist kmnist emnist cifar10 cifar100 svhn_cropped stl10 eurosat imagenette oxford_flowers102 "
    "caltech101 dtd oxford_iiit_pet cars196 stanford_dogs cats_vs_dogs food101 imagenet2012"
)


def test_every_data_set_has_its_preset() -> None:
    assert sorted(PRESETS) == sorted(ROWS.split())


@pytest.mark.parametrize(
    ("name", "dimensions", "k", "rate"),
    [("cifar10", 16, 32, 3e-4), ("stl10", 32, 32, 3e-4), ("cifar100", 64, 16, 1e-4)],
)
def test_the_original_three_are_kept_exactly(name: str, dimensions: int, k: int, rate: float) -> None:
    config = PRESETS[name].config
    assert (config.model.embedding_size, config.samples_per_class) == (dimensions, k)
    assert config.optim.learning_rate == rate
    assert (config.optim.optimizer, config.optim.schedule, config.optim.gradient_clip) == ("adam", "constant", 1.0)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_agrees_with_itself(preset: Preset) -> None:
    config = preset.config
    assert PRESETS[config.preset] is preset
    assert preset.image_shape == (config.data.image_size, config.data.image_size, config.data.channels)
    assert config.classes_per_batch(preset.classes) >= 2
    assert config.batch_size % config.samples_per_class == 0
    assert config.data.train_split in preset.splits
    assert config.data.test_split in (*preset.splits, None)
    assert (preset.test_images > 0) == (config.data.test_split is not None)
    assert 2 ** (len(config.model.encoder.stages) - 1) <= preset.image_shape[0]
    assert Config.from_json(config.to_json()) == config
    if preset.image_shape[2] == 1:
        assert config.get("saturation") == 0


def test_a_preset_takes_the_recipe_that_it_names() -> None:
    named = {name: preset for name, preset in PRESETS.items() if preset.recipe != "none"}
    assert set(named) == {"cifar10", "cifar100", "svhn_cropped"}
    for preset in named.values():
        config = preset.config.replace({"recipe": preset.recipe, "flip": preset.config.get("flip")})
        assert config.model.encoder.smallest_side <= config.grow_from < preset.image_shape[0]
        assert config.get("flip") == preset.config.get("flip")


def test_letters_and_digits_are_never_mirrored() -> None:
    written = {"digits", "mnist", "kmnist", "emnist", "svhn_cropped"}
    assert {name for name, preset in PRESETS.items() if not preset.config.get("flip")} == written


@pytest.mark.parametrize("name", PRESETS)
def test_of_many_classes_a_batch_draws_more_than_images_of_each(name: str) -> None:
    for config in (first_settings(name, {}).config, first_settings(name, {"recipe": "none"}).config):
        drawn, k = config.batch_shape(PRESETS[name].classes)
        assert drawn * k == config.batch_size, "a batch is what the settings say"
        assert (drawn > k) == (PRESETS[name].classes > 10)


@pytest.mark.parametrize("recipe", ["fast", None])
def test_what_a_preset_wants_beside_its_recipe_gives_way_to_what_is_given(recipe: str | None) -> None:
    named = {} if recipe is None else {"recipe": recipe}
    assert first_settings("cifar100", named).config.batch_shape(100) == (50, 10)
    given = {"recipe": "fast", "samples_per_class": 25}
    assert first_settings("cifar100", {**named, **given}).config.batch_shape(100) == (20, 25)
    assert first_settings("cifar100", {"recipe": "none"}).config.batch_shape(100) == (20, 16)


def test_classes_outnumber_dimensions_only_where_the_original_did() -> None:
    crowded = [name for name, preset in PRESETS.items() if preset.classes > preset.config.model.embedding_size]
    assert crowded == ["cifar100"]


@pytest.mark.parametrize("name", TFDS_PRESETS)
def test_a_preset_agrees_with_its_builder(name: str) -> None:
    import tensorflow_datasets as tfds

    preset = PRESETS[name]
    builder = tfds.builder(preset.config.data.dataset, data_dir="/nowhere")
    features = builder.info.features
    assert features["label"].num_classes == preset.classes
    *sides, channels = features["image"].shape
    assert channels == preset.image_shape[2]
    assert sides in ([None, None], list(preset.image_shape[:2]))
    sizes = [int(info.size) for info in builder.url_infos.values()]
    totals = {sum(some) for count in range(len(sizes) + 1) for some in itertools.combinations(sizes, count)}
    assert preset.download_bytes in totals


def test_a_name_nearly_right_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="cifar10"):
        find_preset("cifar-10")


def test_a_data_set_brings_its_own_settings() -> None:
    assert config_for("cifar10") is PRESETS["cifar10"].config
    assert config_for("emnist/balanced") is PRESETS["emnist"].config
    assert config_for("some/folder") == Config().replace({"dataset": "some/folder"})


def test_data_of_ones_own_are_not_called_by_the_preset_whose_settings_they_take():
    digits, eurosat = PRESETS["digits"].config, PRESETS["eurosat"].config
    assert data_name(digits) == "digits"
    assert data_name(eurosat) == "eurosat"
    assert data_name(digits.replace({"dataset": "/data/birds.npz"})) == "birds.npz"
    assert data_name(digits.replace({"dataset": "eurosat/rgb"})) == "eurosat/rgb"
    assert data_name(dataclasses.replace(digits, preset="of-another-version")) == "of-another-version"
