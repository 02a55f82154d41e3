"""Real image files for tests."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from simo2_core.data_config import DataConfig

MakeFolder = Callable[..., Path]
"""The fixture `make_folder`."""


def picture(seed: int = 0, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Image.Image:
    """A smooth random picture of `size` (width, height), so that JPEG hardly changes it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def config(root: Path, **changes: Any) -> DataConfig:
    """The settings for an image folder."""
    return DataConfig(dataset=str(root), **changes)
