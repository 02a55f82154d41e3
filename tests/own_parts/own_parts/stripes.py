"""Images of stripes, made up: `stripes:4` has four classes."""

from dataclasses import dataclass

import numpy as np

from simo2_core.data.sources.source import Source, SourcePart, split_of_pixels
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class Stripes(SourcePart):
    """One split of 60 images a class."""

    noise_level: int = setting(40, "standard deviation of a pixel's noise, of 255")

    @classmethod
    def claims(cls, dataset):
        return dataset.startswith("stripes:")

    def open(self, config, report):
        return Made(int(config.dataset.removeprefix("stripes:")), self.noise_level)


@dataclass
class Made(Source):
    count: int
    noise: int
    name, splits, in_memory = "stripes", ("train",), True

    def identity(self, split):
        return f"{self.count} {self.noise}"

    def split(self, split):
        labels = np.repeat(np.arange(self.count), 60).astype(np.int32)
        waves = np.sin(np.arange(8)[None, :, None] * (labels[:, None, None] + 1) * 0.7) * 60 + 128
        noise = np.random.default_rng(0).normal(0, self.noise, (len(labels), 8, 8))
        pixels = np.clip(waves + noise, 0, 255).astype(np.uint8)[..., None]
        names = tuple(f"{number} stripes" for number in range(self.count))
        return split_of_pixels(split, pixels, labels, names)
