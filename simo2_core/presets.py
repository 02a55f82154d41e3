"""The table of presets: a data set with the settings that suit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simo2_core.config import AugmentConfig, Cadence, Config, DataConfig, ModelConfig, OptimizerConfig
from simo2_core.errors import ConfigError, did_you_mean


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
    needs: str
    """What must be there before it can run: nothing, a download and its size, or files to fetch by hand."""
    config: Config


_DIGITS = Config(
    preset="digits",
    data=DataConfig(dataset="digits", image_size=8, channels=1),
    augment=AugmentConfig(flip=False, saturation=0.0),
    model=ModelConfig(stem_width=16, widths=(16, 32, 64, 128), embedding_size=16),
    optim=OptimizerConfig(learning_rate=4e-3, schedule="cosine"),
    samples_per_class=16,
    batch_size=160,
    steps=400,
    eval_every=Cadence(seconds=5),
    plot_every=Cadence(seconds=20),
    checkpoint_every=Cadence(seconds=20),
)

PRESETS: Mapping[str, Preset] = {
    "digits": Preset(
        title="scikit-learn's 1,797 handwritten digits: no network, no GPU, half a minute",
        classes=10, image_shape=(8, 8, 1), train_images=1797, needs="nothing: ships with scikit-learn", config=_DIGITS,
    ),
}  # fmt: skip
"""Every preset by name."""


def find_preset(name: str) -> Preset:
    """The preset called `name`; raises ConfigError, with the nearest names, when there is none."""
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS) or " See them all with: simo2 presets."
        raise ConfigError(f"there is no preset {name!r}.{hint}")
    return PRESETS[name]
