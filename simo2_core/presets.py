"""The table of presets: a data set with the settings that suit it.

Sizes, splits and class counts are those of the TFDS builders (4.9.10), which ship none of them; a test holds each
row against its builder. `cifar10`, `stl10` and `cifar100` keep D, k and learning rate of the original demo, not its
dropout.

How the others were chosen: D is at least the number of classes, so that they can be orthogonal; k is at most the
images that the smallest class has left for training. Of many classes a batch draws many, with 10 images of each: so
drawn, 26 classes of letters gathered best (93.1% where 16 of 16 images had 91.3, the guide's page of the loss). None of
these has been trained on its own data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simo2_core.config import Config, ModelConfig
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError, did_you_mean
from simo2_core.optimizer_config import OptimizerConfig
from simo2_core.recipes import NONE
from simo2_core.settings import Cadence


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A data set's facts and the settings to begin with."""

    title: str
    """One line for the launcher."""
    classes: int
    image_shape: tuple[int, int, int]
    """Height, width and channels as training sees them."""
    train_images: int
    """Images of the training split, before validation (and test, where the set has none) is held out."""
    test_images: int = 0
    """Images of the test split; 0 where the set has none and a part of train is held out."""
    splits: tuple[str, ...] = ("train",)
    """Every split of the data set with labels."""
    download_bytes: int = 0
    """What preparing it downloads; 0 when nothing does."""
    needs: str
    """What must be there before it can run: nothing, a download and its size, or files to fetch by hand."""
    config: Config
    recipe: str = NONE
    """By which it is trained unless something is given that a recipe decides; what `config` has is the original's."""
    beside_recipe: Mapping[str, Any] = field(default_factory=dict)
    """What these data want otherwise than the recipe has it."""

    @property
    def decoded_bytes(self) -> int:
        """Size of the cache that holds all its images."""
        return (self.train_images + self.test_images) * math.prod(self.image_shape)


_DIGITS = Config(
    preset="digits",
    data=DataConfig(dataset="digits", image_size=8, channels=1),
    model=ModelConfig(embedding_size=16),
    optim=OptimizerConfig(learning_rate=4e-3, schedule="cosine"),
    samples_per_class=16,
    batch_size=160,
    steps=400,
    eval_every=Cadence(steps=50),
    plot_every=Cadence(seconds=20),
    checkpoint_every=Cadence(seconds=20),
).replace({"stem_width": 16, "widths": (16, 32, 64, 128), "dropout": 0.1, "saturation": 0.0, "negatives": "slots"})
"""It counts the pairs of the paper, and drops half of what the original does. In the benchmarks `digits-negatives`
found nothing to gain from all pairs. In `digits-dropout` classes end orthogonal at 0.1, with a largest |cos| of 0.06;
at 0.2 it is 0.26, and at 0 a linear probe loses a point (ten seeds)."""

_SMALL = (32, 64, 128, 256)
"""Widths for 28-pixel images: three halvings leave 3×3, and a quarter of the width is enough for strokes."""
_FULL = (64, 128, 256, 512, 1024)
"""The widths of the original."""


def _tfds(
    dataset: str,
    title: str,
    *,
    classes: int,
    shape: tuple[int, int, int],
    train: int,
    test: int,
    download: int,
    D: int,
    k: int,
    batch: int,
    test_split: str | None = "test",
    splits: tuple[str, ...] = ("train", "test"),
    learning_rate: float = 3e-4,
    widths: tuple[int, ...] = _FULL,
    flip: bool = True,
    shift: int = 0,
    steps: int = 10_000,
    needs: str = "",
    recipe: str = NONE,
    beside_recipe: Mapping[str, Any] | None = None,
) -> tuple[str, Preset]:
    name = dataset.split("/")[0]
    config = Config(
        preset=name,
        data=DataConfig(dataset=dataset, test_split=test_split, image_size=shape[0], channels=shape[2]),
        model=ModelConfig(embedding_size=D),
        optim=OptimizerConfig(learning_rate=learning_rate),
        samples_per_class=k,
        batch_size=batch,
        steps=steps,
    ).replace({"widths": widths, "flip": flip, "shift": shift, "saturation": 0.2 if shape[2] == 3 else 0.0})
    return name, Preset(
        title=title,
        classes=classes,
        image_shape=shape,
        train_images=train,
        test_images=test,
        splits=splits,
        download_bytes=download,
        needs=needs or f"download of {_size(download)}",
        recipe=recipe,
        beside_recipe=beside_recipe or {},
        config=config,
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


_GREY = (28, 28, 1)

PRESETS: Mapping[str, Preset] = {
    "digits": Preset(
        title="scikit-learn's 1,797 handwritten digits: no network, no GPU, half a minute",
        classes=10, image_shape=(8, 8, 1), train_images=1797, needs="nothing: ships with scikit-learn", config=_DIGITS,
    ),
    **dict([
        _tfds("mnist", "handwritten digits, 28×28 grey", classes=10, shape=_GREY, train=60_000, test=10_000,
              download=11_594_722, D=16, k=32, batch=320, widths=_SMALL, flip=False, shift=2, steps=2000),
        _tfds("fashion_mnist", "clothes, 28×28 grey", classes=10, shape=_GREY, train=60_000, test=10_000,
              download=30_878_645, D=16, k=32, batch=320, widths=_SMALL, steps=4000),
        _tfds("kmnist", "cursive Japanese characters, 28×28 grey", classes=10, shape=_GREY, train=60_000, test=10_000,
              download=21_240_888, D=16, k=32, batch=320, widths=_SMALL, flip=False, shift=2, steps=4000),
        _tfds("emnist/balanced", "handwritten letters and digits, 28×28 grey", classes=47, shape=_GREY,
              train=112_800, test=18_800, download=561_753_746, D=64, k=10, batch=470, widths=_SMALL, flip=False,
              shift=2, steps=4000),
        _tfds("cifar10", "small colour photographs of 10 things, 32×32", classes=10, shape=(32, 32, 3),
              train=50_000, test=10_000, download=170_052_171, D=16, k=32, batch=320, recipe="fast"),
        _tfds("cifar100", "small colour photographs of 100 things, 32×32", classes=100, shape=(32, 32, 3),
              train=50_000, test=10_000, download=168_513_733, D=64, k=16, batch=320, learning_rate=1e-4,
              recipe="fast", beside_recipe={"samples_per_class": 10}),
        _tfds("svhn_cropped", "house numbers from the street, 32×32", classes=10, shape=(32, 32, 3),
              train=73_257, test=26_032, download=1_575_594_780, D=16, k=32, batch=320, flip=False, shift=2,
              splits=("train", "test", "extra"), recipe="fast"),
        _tfds("stl10", "colour photographs of 10 things, 96×96, 500 a class", classes=10, shape=(96, 96, 3),
              train=5_000, test=8_000, download=2_640_397_119, D=32, k=32, batch=320),
        _tfds("eurosat/rgb", "land use seen by Sentinel-2, 64×64", classes=10, shape=(64, 64, 3),
              train=27_000, test=0, download=94_280_567, D=16, k=32, batch=320, test_split=None, splits=("train",),
              needs="download of 94 MB; the host's certificate has expired, so fetch the file by hand"),
        _tfds("imagenette/160px-v2", "ten easy ImageNet classes, 128×128", classes=10, shape=(128, 128, 3),
              train=9_469, test=3_925, download=99_003_388, D=16, k=16, batch=160, test_split="validation",
              splits=("train", "validation")),
        _tfds("oxford_flowers102", "102 kinds of flowers, 10 training images each, 128×128", classes=102,
              shape=(128, 128, 3), train=1_020, test=6_149, download=344_878_000, D=128, k=8, batch=256,
              splits=("train", "validation", "test")),
        _tfds("caltech101", "101 kinds of things and a background class, 128×128", classes=102, shape=(128, 128, 3),
              train=3_060, test=6_084, download=137_414_764, D=128, k=10, batch=250),
        _tfds("dtd", "47 kinds of textures, 128×128", classes=47, shape=(128, 128, 3), train=1_880, test=1_880,
              download=625_239_812, D=64, k=10, batch=250, splits=("train", "validation", "test")),
        _tfds("oxford_iiit_pet", "37 breeds of cats and dogs, 128×128", classes=37, shape=(128, 128, 3),
              train=3_680, test=3_669, download=811_092_049, D=64, k=10, batch=250),
        _tfds("cars196", "196 models of cars, 128×128", classes=196, shape=(128, 128, 3), train=8_144, test=8_041,
              download=0, D=256, k=10, batch=250,
              needs="a copy that is already prepared: its download is gone (404), so put one into the data directory"),
        _tfds("stanford_dogs", "120 breeds of dogs, 128×128", classes=120, shape=(128, 128, 3), train=12_000,
              test=8_580, download=815_912_960, D=128, k=10, batch=250),
        _tfds("cats_vs_dogs", "cats or dogs, 96×96", classes=2, shape=(96, 96, 3), train=23_262, test=0,
              download=824_887_076, D=16, k=32, batch=64, test_split=None, splits=("train",)),
        _tfds("food101", "101 dishes, 128×128", classes=101, shape=(128, 128, 3), train=75_750, test=25_250,
              download=4_996_278_331, D=128, k=10, batch=250, test_split="validation",
              splits=("train", "validation")),
        _tfds("imagenet2012", "ImageNet: 1,000 classes, 64×64", classes=1000, shape=(64, 64, 3), train=1_281_167,
              test=50_000, download=0, D=1024, k=10, batch=500, test_split="validation",
              splits=("train", "validation"), steps=100_000,
              needs="ILSVRC2012_img_train.tar (148 GB) and ILSVRC2012_img_val.tar (6.7 GB), fetched by hand"),
    ]),
}  # fmt: skip
"""Every preset by name."""


def find_preset(name: str) -> Preset:
    """The preset called `name`; raises ConfigError, with the nearest names, when there is none."""
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS) or " See them all with: simo2 presets."
        raise ConfigError(f"there is no preset {name!r}.{hint}")
    return PRESETS[name]


def with_views(config: Config) -> Config:
    """The settings with views of an image as strong as training without labels needs.

    Source: Chen et al., "A Simple Framework for Contrastive Learning", arXiv 2002.05709, appendix A, with half the
    strength of colour; flips stay as the data set wants them.
    """
    views: dict[str, object] = {"crop": 0.2, "brightness": 0.4, "contrast": 0.4, "shift": 0}
    if config.data.channels != 1:
        views |= {"saturation": 0.4, "hue": 0.1, "greyscale": 0.2}
    if config.data.image_size >= 64:
        views["blur"] = 0.5
    return config.replace(views)


def config_for(dataset: str) -> Config:
    """The settings to begin with for a data set: its preset's, or those of the original when it has none."""
    for preset in PRESETS.values():
        if preset.config.data.dataset == dataset:
            return preset.config
    return Config(data=DataConfig(dataset=dataset))


def data_name(config: Config) -> str:
    """What a run's data are called: its preset where they are that preset's, else the file or folder that they are."""
    preset = PRESETS.get(config.preset or "")
    if config.preset and (preset is None or preset.config.data.dataset == config.data.dataset):
        return config.preset
    path = Path(config.data.dataset)
    return path.name if path.is_absolute() else config.data.dataset
