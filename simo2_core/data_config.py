"""The settings that decide which images there are, and how they are cut into train, validation and test.

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

from dataclasses import dataclass

from simo2_core.parts import Part
from simo2_core.sections import several
from simo2_core.settings import Section, require, setting

HOLD_OUT = "hold-out"
"""As a test split: a stratified part of train, whatever splits there are."""
LARGEST_SEED = 2**32 - 1
LABELS = ("classes", "none")
RESIZE_RULES = ("crop", "pad", "squash")
BACKGROUNDS = ("white", "black")
CLASS_ORDERS = ("natural", "alphabetical")


@dataclass(frozen=True, kw_only=True)
class DataConfig(Section):
    """Which images, and how they are cut into train, validation and test."""

    dataset: str = setting(
        "digits", "digits, a TFDS name[/config], or the path of an image folder or of a file of labelled images"
    )
    data_dir: str | None = setting(None, "where TFDS data sets live (default: TFDS_DATA_DIR or ~/tensorflow_datasets)")
    sources: tuple[Part, ...] = several(
        "source", "kinds of data set beside simo2's own: names, or FILE.py:Class, comma separated", own=False
    )
    train_split: str = setting("train", "the split to train on")
    test_split: str | None = setting(
        None,
        "the split read once, at the end; by default the data set's own, else, or with hold-out, a stratified part of "
        "train",
    )
    views_split: str | None = setting(
        None,
        "with --labels none: the split to train on, labelled or not, but for what is evaluated; --train-split still "
        "serves the kNN",
    )
    image_key: str | None = setting(None, "the image: a feature, column or array, where there are several")
    label_key: str | None = setting(None, "the label: a feature, column or array, where there are several")
    image_size: int = setting(
        0,
        "height and width in pixels that images are resized to; 0 keeps the data set's own, or chooses one that most "
        "images fill where they differ",
        at_least=0,
        at_most=8192,
    )
    min_size: int = setting(
        0,
        "where images differ in size and --image-size is 0: choose no smaller side than this; 0 is what the encoder "
        "needs",
        at_least=0,
        at_most=8192,
    )
    channels: int = setting(0, "1 for grey, 3 for RGB; 0 keeps the data set's own")
    resize: str = setting("crop", "how another aspect ratio is made square", choices=RESIZE_RULES)
    background: str = setting("white", "what transparent pixels become", choices=BACKGROUNDS)
    depth: int = setting(
        16, "bits that greys of 16-bit files use, such as 12: the largest value becomes white", at_least=8, at_most=16
    )
    mean: tuple[float, ...] = setting(
        (),
        "what is subtracted from each channel, white being 1; empty for the mean of the training images, or that of "
        "the pretrained weights of --init",
        at_least=0,
        at_most=1,
    )
    std: tuple[float, ...] = setting(
        (), "what each channel is then divided by; empty as for --mean", at_least=1 / 512, at_most=1
    )
    min_images: int = setting(0, "leave out classes with fewer training images than this", at_least=0, at_most=10**6)
    class_order: str = setting(
        "natural",
        "how classes of an image folder are numbered: natural is 0, 90, 180; alphabetical is 0, 180, 90, as in runs of "
        "before 2026-11-28",
        choices=CLASS_ORDERS,
    )
    test_fraction: float = setting(
        0.2, "share held out for test when the data set has no test split", above=0, below=0.9
    )
    validation_fraction: float = setting(
        0.1,
        "share of train held out to choose the best checkpoint",
        above=0,
        below=0.9,
        cure="Validation chooses the best checkpoint, so it cannot be empty.",
    )
    split_seed: int = setting(
        0,
        "seed of the held-out parts; the same for every --seed, so that runs compare",
        at_least=0,
        at_most=LARGEST_SEED,
    )
    hold_out_classes: float = setting(
        0.0,
        "share of the classes that are neither trained on nor chosen by, drawn by --split-seed: simo2 eval measures "
        "retrieval on their test images",
        at_least=0,
        at_most=0.9,
    )
    labels: str = setting(
        "classes",
        "what makes two images a pair: one class; or none, where only the k views of one image are",
        choices=LABELS,
    )
    strict: bool = setting(False, "refuse an image folder with unreadable files instead of skipping and counting them")

    def check(self) -> None:
        require(self.channels in (0, 1, 3), "channels", self.channels, "0 (as stored), 1 (grey) or 3 (RGB)")
        require(
            len(self.mean) == len(self.std),
            "std",
            self.std,
            f"a number for each of the {len(self.mean)} of --mean",
            "Give --mean and --std together.",
        )
        require(bool(self.dataset.strip()), "dataset", self.dataset, "a name or a path")
        require(
            self.views_split is None or self.labels == "none",
            "views_split",
            self.views_split,
            "given with --labels none alone",
            "With labels, choose the images by --train-split.",
        )
        require(
            self.views_split is None or not self.hold_out_classes,
            "hold_out_classes",
            self.hold_out_classes,
            "0 beside a --views-split, whose images may be of any class",
            "Leave out --views-split.",
        )
