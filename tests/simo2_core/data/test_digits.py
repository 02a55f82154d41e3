"""The embedded default, as every run sees it."""

import dataclasses

import numpy as np
import pytest

from simo2_core.data.load import load_dataset
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError


def test_a_setting_that_means_nothing_to_a_data_set_is_said() -> None:
    (note,) = load_dataset(DataConfig(image_key="front")).notes
    assert note.message == "image_key is 'front', and digits has no use for it."
    assert load_dataset(DataConfig()).notes == ()


def test_digits_are_whole_and_cut_without_overlap() -> None:
    data = load_dataset(DataConfig(dataset="digits"))
    assert data.image_shape == (8, 8, 1)
    assert data.class_names == tuple("0123456789")
    assert (len(data.train), len(data.validation), len(data.test)) == (1295, 143, 359)
    rows = np.concatenate([data.train.rows, data.validation.rows, data.test.rows])
    assert sorted(rows.tolist()) == list(range(1797))
    assert data.train.images.dtype == np.uint8
    assert data.train.images.max() == 255


def test_images_keep_their_labels() -> None:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    known = {
        np.rint(image * 255 / 16).astype(np.uint8).tobytes(): t
        for image, t in zip(bundled.images, bundled.target, strict=True)
    }
    data = load_dataset(DataConfig(dataset="digits"))
    for part in (data.train, data.validation, data.test):
        assert [known[image.tobytes()] for image in part.gather()] == part.labels.tolist()


def test_statistics_are_of_the_training_part_alone() -> None:
    data = load_dataset(DataConfig(dataset="digits"))
    pixels = data.train.gather().astype(np.float64) / 255
    np.testing.assert_allclose(data.mean, [pixels.mean()], rtol=1e-6)
    np.testing.assert_allclose(data.std, [pixels.std()], rtol=1e-6)


def test_the_fingerprint_follows_the_cut_and_nothing_else() -> None:
    config = DataConfig(dataset="digits")
    first = load_dataset(config).fingerprint
    assert first == load_dataset(config).fingerprint
    assert first != load_dataset(dataclasses.replace(config, split_seed=1)).fingerprint
    assert first != load_dataset(dataclasses.replace(config, validation_fraction=0.2)).fingerprint


def test_pixels_heed_the_size_and_the_channels_that_are_asked_for() -> None:
    own = load_dataset(DataConfig())
    asked = load_dataset(DataConfig(image_size=12, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5)))
    assert (own.image_shape, asked.image_shape) == ((8, 8, 1), (12, 12, 3))
    assert asked.fingerprint != own.fingerprint
    np.testing.assert_array_equal(asked.train.images[..., 0], asked.train.images[..., 2])  # grey stays grey
    np.testing.assert_allclose(asked.mean, [0.1, 0.2, 0.3])
    same = load_dataset(DataConfig(image_size=8, channels=1))
    assert same.fingerprint == own.fingerprint
    np.testing.assert_array_equal(same.train.images, own.train.images)


def test_a_mean_for_other_channels_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mean has 3 numbers and images of digits have 1 channels"):
        load_dataset(DataConfig(mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5)))
    with pytest.raises(ConfigError, match=r"Give --mean and --std together"):
        DataConfig(mean=(0.1, 0.2, 0.3))
