"""Every finding appears when it should, and not when it should not."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from simo2_core.config import Config
from simo2_core.data.dataset import FEW_CLASSES, Note, Skipped
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.load import load_dataset
from simo2_core.data.placement import Machine, Placement, choose_placement, disk_free, human_bytes, look_at_machine
from simo2_core.data_config import DataConfig
from simo2_core.encoders.encoder import Encoder
from simo2_core.preflight import preflight
from simo2_core.presets import PRESETS
from simo2_core.settings import setting

ROOMY = Machine(device="test", device_free=10**12, disk_free=10**12)
FACTS = DatasetFacts(classes=10, image_shape=(32, 32, 3), images=1000, train_counts=np.full(10, 100))

EXPLAINED = {"placement": "info", "loss-decided": "info"}


def codes(config: Config, facts: DatasetFacts = FACTS, machine: Machine = ROOMY) -> dict[str, str]:
    return {finding.code: finding.severity for finding in preflight(config, facts, machine)}


def test_a_run_that_fits_gets_its_placement_explained_and_nothing_else() -> None:
    digits = PRESETS["digits"].config
    facts = DatasetFacts.of(load_dataset(digits.data))
    assert facts.images == 1797
    assert codes(digits, facts) == EXPLAINED


def test_a_missing_split_is_an_error_that_names_the_others() -> None:
    config = Config().replace({"test_split": "test"})
    facts = dataclasses.replace(FACTS, splits=("train", "validation"))
    (finding,) = (f for f in preflight(config, facts, ROOMY) if f.severity == "error")
    assert finding.code == "split-missing"
    assert "train, validation" in finding.message
    assert codes(config.replace({"test_split": "validation[:50%]"}), facts) == {
        "placement": "info",
        "loss-decided": "info",
    }


def test_sides_that_no_patches_fill_are_an_error_before_anything_is_compiled() -> None:
    config = Config().replace({"encoder": "vit_small", "image_size": 18, "patch_size": 4})
    (finding,) = (f for f in preflight(config, dataclasses.replace(FACTS, image_shape=(18, 18, 3)), ROOMY)
                  if f.code == "image-size")  # fmt: skip
    assert (finding.severity, finding.cure) == ("error", "Use --image-size 16 or 20.")
    assert finding.message == "images are 18×18, and vit_small takes sides that are a multiple of 4."
    small = preflight(config, dataclasses.replace(FACTS, image_shape=(2, 2, 3)), ROOMY)
    assert [f.cure for f in small if f.code == "image-size"] == ["Use --image-size 4."]
    assert "image-size" not in codes(config, dataclasses.replace(FACTS, image_shape=(20, 20, 3)))


def test_unlabelled_images_are_an_error() -> None:
    assert codes(Config(), dataclasses.replace(FACTS, unlabelled=100_000))["unlabelled"] == "error"


def test_files_left_out_are_counted_and_named() -> None:
    skipped = tuple(Skipped(f"cat/{index}.jpg", "the file is empty") for index in range(5))
    facts = dataclasses.replace(FACTS, skipped=skipped, empty_classes=("bird",))
    first, second = (f for f in preflight(Config(), facts, ROOMY) if f.severity == "warning")
    assert (first.code, second.code) == ("unreadable", "empty-class")
    assert "5 files" in first.message
    assert "cat/2.jpg (the file is empty); and 2 more" in first.message
    assert "bird" in second.message


def test_what_the_data_says_of_itself_is_a_warning() -> None:
    facts = dataclasses.replace(FACTS, notes=(Note("unused", "not used: 3 images in extra/.", "Use it."),))
    (finding,) = (f for f in preflight(Config(), facts, ROOMY) if f.severity == "warning")
    assert (finding.code, finding.message, finding.cure) == ("unused", "not used: 3 images in extra/.", "Use it.")


def test_one_class_is_an_error_in_the_words_of_the_source_and_none_without_labels() -> None:
    heap = dataclasses.replace(FACTS, classes=1, notes=(Note(FEW_CLASSES, "flat has no class.", "--labels none."),))
    (finding,) = (f for f in preflight(Config(), heap, ROOMY) if f.severity == "error")
    assert (finding.code, finding.message) == (FEW_CLASSES, "flat has no class.")
    found = codes(Config().replace({"labels": "none", "crop": 0.2}), heap)
    assert "error" not in found.values()
    assert found["one-class"] == "warning"
    waits = Config().replace({"labels": "none", "crop": 0.2, "patience": 3})
    assert codes(waits, heap)["patience-one-class"] == "error"
    assert "error" not in codes(waits.replace({"patience_on": "loss"}), heap).values()


def test_a_single_class_is_an_error() -> None:
    assert codes(Config(), dataclasses.replace(FACTS, classes=1))["few-classes"] == "error"


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"samples_per_class": 8, "batch_size": 160}, "--samples-per-class 10, which draws 16 classes"),
        ({"samples_per_class": 8, "batch_size": 160, "labels": "none", "crop": 0.2}, "--batch-size 64"),
        ({"reduction": "mean"}, "--reduction sum"),
    ],
)
def test_more_pairs_of_classes_than_of_one_class_is_a_warning(changes: dict[str, object], cure: str) -> None:
    facts = dataclasses.replace(FACTS, classes=26, train_counts=np.full(26, 100))
    config = Config().replace({"embedding_size": 32, "distance": "line", "pull": 1, **changes})
    (finding,) = (f for f in preflight(config, facts, ROOMY) if f.severity == "warning")
    assert finding.code == "few-pairs"
    assert cure in finding.cure
    assert "few-pairs" not in codes(config.replace({"reduction": "sum", "samples_per_class": 26}), facts)
    assert "few-pairs" not in codes(config.replace({"objective": "supcon"}), facts)


def test_a_cure_of_the_batch_keeps_the_recipe() -> None:
    config = PRESETS["cifar10"].config.replace({"recipe": "fast"})
    facts = dataclasses.replace(FACTS, classes=5, train_counts=np.full(5, 4000), image_shape=(32, 32, 3))
    cures = {finding.code: finding.cure for finding in preflight(config, facts, ROOMY)}
    assert cures["batch-not-filled"] == "Use --recipe fast --samples-per-class 100 for a batch of 500."
    wide = config.replace({"samples_per_class": 4, "batch_size": 104})
    cures = {
        f.code: f.cure for f in preflight(wide.replace({"pull": 1}), dataclasses.replace(facts, classes=26), ROOMY)
    }
    assert "--recipe fast --samples-per-class" in cures["few-pairs"]


def test_more_samples_than_images_of_a_class_is_a_warning_with_the_number_to_use() -> None:
    facts = dataclasses.replace(FACTS, train_counts=np.array([100] * 9 + [9]))
    (finding,) = (f for f in preflight(Config(), facts, ROOMY) if f.severity == "warning")
    assert finding.code == "k-over-class"
    assert "--samples-per-class 9" in finding.cure
    assert "k-over-class" not in codes(Config().replace({"samples_per_class": 9}), facts)


def test_more_classes_than_dimensions_quotes_welch() -> None:
    facts = dataclasses.replace(FACTS, classes=100, train_counts=None)
    (finding,) = (f for f in preflight(Config(), facts, ROOMY) if f.code == "welch")
    assert f"{(100 - 16) / (16 * 99):.4f}" in finding.message
    assert "welch" not in codes(Config().replace({"embedding_size": 100}), facts)


def test_part_of_the_classes_in_a_batch_is_said() -> None:
    facts = dataclasses.replace(FACTS, classes=11, train_counts=None)
    assert codes(Config(), facts)["classes-per-batch"] == "info"
    assert "classes-per-batch" not in codes(Config(), FACTS)
    one_by_one = Config().replace({"sampling": "proportional", "objective": "cross_entropy"})
    assert "classes-per-batch" not in codes(one_by_one, facts), "no classes are drawn"


def test_a_disk_too_small_for_the_cache_warns_and_streams() -> None:
    machine = dataclasses.replace(ROOMY, disk_free=10)
    facts = dataclasses.replace(FACTS, to_write=FACTS.size)
    assert codes(Config(), facts, machine)["disk"] == "warning"
    assert codes(Config(), FACTS, machine) == EXPLAINED


def test_errors_come_first() -> None:
    facts = dataclasses.replace(FACTS, classes=100, splits=("a",), train_counts=np.full(100, 2))
    severities = [finding.severity for finding in preflight(Config(), facts, ROOMY)]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert len(set(severities)) == 3


@pytest.mark.parametrize(
    ("size", "to_write", "where"),
    [(50, 0, "device"), (51, 0, "host"), (51, 1000, "host"), (51, 1001, "stream"), (1, 1001, "stream")],
)
def test_placement_goes_by_half_of_the_device_and_the_disk(size: int, to_write: int, where: str) -> None:
    placement = choose_placement(size, to_write, Machine(device="", device_free=100, disk_free=1000))
    assert isinstance(placement, Placement)
    assert placement.where == where


def test_the_machine_is_looked_at(tmp_path: Path) -> None:
    machine = look_at_machine(tmp_path / "not" / "there" / "yet")
    assert machine.device_free > 10**6
    assert machine.disk_free == pytest.approx(disk_free(tmp_path), rel=0.05)


def test_sizes_for_people() -> None:
    sizes = [0, 999, 1000, 99_949, 999_499, 999_600, 1.43e9, 193e9, 2e12]
    assert [human_bytes(size) for size in sizes] == [
        "0 bytes", "999 bytes", "1.0 kB", "99.9 kB", "999 kB", "1.0 MB", "1.4 GB", "193 GB", "2.0 TB",
    ]  # fmt: skip


def test_the_config_default_is_small_enough_for_its_images() -> None:
    facts = dataclasses.replace(FACTS, image_shape=(8, 8, 1))
    assert codes(Config(), facts)["image-size"] == "warning"
    assert "image-size" not in codes(Config(data=DataConfig()), FACTS)


@pytest.mark.parametrize(
    ("changes", "severity", "words", "cure"),
    [
        ({"batch_size": 512, "samples_per_class": 4}, "warning", "is 512, and a batch has 40 images", "class 51 for"),
        (
            {"batch_size": 96, "samples_per_class": 8},
            "info",
            "10 classes, 8 samples of each",
            "class 9 for a batch of 90",
        ),
        ({"batch_size": 84, "samples_per_class": 8}, None, "", ""),
        (
            {"batch_size": 8000, "samples_per_class": 2, "labels": "none"},
            "warning",
            "1000 images, 2 samples",
            "class 8",
        ),
        ({"batch_size": 512, "samples_per_class": 2, "labels": "none"}, None, "", ""),
        (
            {"batch_size": 640, "sampling": "proportional", "objective": "cross_entropy"},
            "warning",
            "has 320 images: drawn one by one, 32 for each of 10 classes",
            "--samples-per-class 64",
        ),
    ],
)
def test_a_batch_that_the_data_cannot_fill_is_said_with_the_setting_that_would(
    changes: dict[str, int | str], severity: str | None, words: str, cure: str
) -> None:
    found = [f for f in preflight(Config().replace(changes), FACTS, ROOMY) if f.code == "batch-not-filled"]
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    for finding in found:
        assert words in finding.message
        assert cure in finding.cure


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"warmup_steps": 40}, "warmup_steps is 40, and the schedule constant has none"),
        ({"decay_steps": 40, "schedule": "cosine"}, "decay_steps is 40, and the schedule cosine has none"),
        ({"decay_steps": 400, "schedule": "step"}, "in a run of 400 steps the learning rate never falls"),
    ],
)
def test_a_number_of_the_schedule_that_changes_nothing_is_a_warning(changes: dict[str, object], said: str) -> None:
    config = Config().replace({"steps": 400, **changes})
    (finding,) = (f for f in preflight(config, FACTS, ROOMY) if f.code == "schedule-unused")
    assert (finding.severity, said in finding.message) == ("warning", True)
    for schedule, number in (
        ("step", "decay_steps"),
        ("exponential", "decay_steps"),
        ("warmup_cosine", "warmup_steps"),
    ):
        assert "schedule-unused" not in codes(Config().replace({"steps": 400, "schedule": schedule, number: 40}))


def test_an_encoder_says_what_size_it_needs_and_one_that_does_not_is_asked_nothing() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Patches(Encoder):
        name = "patches"
        patch: int = setting(14, "pixels of a patch")

        @property
        def features(self) -> int:
            return 8

        @property
        def smallest_side(self) -> int:
            return self.patch

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Whole(Patches):
        name = "whole"
        smallest_side = Encoder.smallest_side

    small = dataclasses.replace(FACTS, image_shape=(12, 12, 3))
    config = Config().replace({"encoder": Patches()})
    (finding,) = (f for f in preflight(config, small, ROOMY) if f.code == "image-size")
    assert finding.message == "images of 12 pixels are smaller than the 14 that patches needs."
    assert config.images.min_size == 14
    plain = Config().replace({"encoder": Whole()})
    assert "image-size" not in codes(plain, small)
    assert plain.images.min_size == 1


def test_no_advice_asks_for_more_images_of_a_class_than_there_are() -> None:
    facts = dataclasses.replace(FACTS, train_counts=np.array([40] * 9 + [9]))
    for changes in ({"samples_per_class": 4}, {"samples_per_class": 9}):
        found = preflight(Config().replace({"batch_size": 400, **changes}), facts, ROOMY)
        cures = " ".join(finding.cure for finding in found)
        assert all(int(k) <= 9 for k in re.findall(r"--samples-per-class (\d+)", cures))
        (unfilled,) = (finding.cure for finding in found if finding.code == "batch-not-filled")
        assert ("--samples-per-class 9" if changes["samples_per_class"] == 4 else "--batch-size 90") in unfilled
