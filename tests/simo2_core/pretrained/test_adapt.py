"""A run's settings beside pretrained weights."""

from collections.abc import Callable
from pathlib import Path

import pytest

from simo2_core.config import Config
from simo2_core.encoders.vit import ViTSmall
from simo2_core.errors import ConfigError
from simo2_core.pretrained.adapt import with_pretrained


def test_weights_bring_their_encoder_and_how_images_are_prepared(weights: Callable[[str], Path]) -> None:
    folder = weights("timm dinov2")
    config = with_pretrained(Config().replace({"init": str(folder)}))
    assert config.model.encoder == ViTSmall(patch_size=4, token_width=16, layers=2, heads=2, position_grid=3)
    assert config.data.image_size == 224
    assert config.data.channels == 3
    assert config.data.mean == (0.485, 0.456, 0.406)
    assert config.tune.init == str(folder / "model.safetensors")
    assert with_pretrained(config) == config
    assert Config.from_json(config.to_json()) == config


def test_what_is_set_is_kept_or_refused(weights: Callable[[str], Path]) -> None:
    asked = Config().replace({"init": str(weights("timm dinov2")), "image_size": 12, "mean": "0,0,0", "std": "1,1,1"})
    assert with_pretrained(asked).data.mean == (0, 0, 0)
    assert with_pretrained(asked).data.image_size == 12
    with pytest.raises(ConfigError, match=r"channels is 1 .* Use --channels 3"):
        with_pretrained(asked.replace({"channels": 1}))
