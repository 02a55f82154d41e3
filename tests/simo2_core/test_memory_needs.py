"""What is refused before anything is allocated could not have run, and what is proposed instead fits."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from simo2_core.config import Config
from simo2_core.data import placement
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.placement import Machine, host_memory_free
from simo2_core.memory_needs import needs_of, too_much
from simo2_core.model.network import Network
from simo2_core.preflight import preflight
from simo2_core.presets import PRESETS
from simo2_core.train.optimizer import make_optimizer

FACTS = DatasetFacts(classes=10, image_shape=(32, 32, 3), images=1000, train_counts=np.full(10, 100))
GB = 10**9
ROOMY = Machine(device="test", device_free=10**12, disk_free=10**12)


@pytest.mark.parametrize("encoder", ["yatcnn", "cnn", "resnet18"])
def test_an_encoder_says_nearly_how_many_weights_it_has_and_never_more(encoder: str) -> None:
    config = Config().replace({"encoder": encoder, "widths": (24, 8, 40, 16)})
    _, params, _ = Network.build_abstract(config.model, 3)
    actual = sum(value.size for name, value in params.items() if name.startswith("encoder/"))
    assert 0.95 * actual <= config.model.encoder.weights(3) <= actual


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "novograd", "sgd", "rmsprop", "muon"])
def test_the_weights_with_what_the_optimiser_keeps_are_no_more_than_there_are(optimizer: str) -> None:
    config = Config().replace({"optimizer": optimizer, "widths": (8, 16), "stem_width": 4, "embedding_size": 500})
    _, params, _ = Network.build_abstract(config.model, 3)
    state = jax.eval_shape(make_optimizer(config.optim, lambda _: 0.0).init, params)
    actual = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((params, params, state)))
    assert 0.5 * actual <= needs_of(config, FACTS).weights <= actual


def changed(cure: str, config: Config) -> Config:
    """`config` as the first `Use --…` of a cure asks."""
    flag, value = cure.removeprefix("Use --").split()[:2]
    return config.replace({flag.replace("-", "_"): value.rstrip(",.")})


@pytest.mark.parametrize(
    ("setting", "to_blame"),
    [
        ({"embedding_size": 10**6}, "--embedding-size"),
        ({"widths": (16_000,)}, "--widths"),
        ({"batch_size": 10_000, "samples_per_class": 1_000}, "--batch-size"),
        ({"embedding_size": 10**6, "batch_size": 20, "samples_per_class": 2}, "--embedding-size"),
    ],
)
def test_the_setting_to_blame_is_named_with_a_value_that_fits(setting: dict[str, object], to_blame: str) -> None:
    config = Config().replace(setting)
    found = too_much(config, FACTS, 2 * GB, "this machine")
    assert found is not None
    message, cure = found
    assert message.startswith("training needs ")
    assert "this machine has 2.0 GB free" in message
    assert cure.startswith(f"Use {to_blame} ")
    assert too_much(changed(cure, config), FACTS, 2 * GB, "") is None


def test_where_no_value_of_one_setting_fits_none_is_proposed() -> None:
    found = too_much(Config().replace({"embedding_size": 10**6}), FACTS, 10**6, "")
    assert found is not None
    assert found[1] == "Use a far smaller --embedding-size."


def test_every_preset_fits_into_a_few_gigabytes() -> None:
    for preset in PRESETS.values():
        facts = DatasetFacts(classes=preset.classes, image_shape=preset.image_shape, images=preset.train_images)
        assert too_much(preset.config, facts, 22 * GB, "") is None


def test_devices_and_chunks_share_the_batch_and_a_frozen_encoder_keeps_no_maps() -> None:
    config = Config().replace({"batch_size": 320, "samples_per_class": 32})
    alone = needs_of(config, FACTS)
    assert needs_of(config, FACTS, devices=4).images == alone.images // 4
    assert needs_of(config.replace({"chunk_size": 32}), FACTS).images < alone.images / 5
    frozen = needs_of(config.replace({"objective": "cross_entropy", "freeze": True}), FACTS)
    assert (frozen.encoder, frozen.images < alone.images) == (alone.encoder * 3 // 4, True)
    assert needs_of(config, dataclasses.replace(FACTS, image_shape=(0, 0, 0))).images > 0


def test_a_run_that_memory_is_too_small_for_is_an_error() -> None:
    small = dataclasses.replace(ROOMY, device_free=10**9)
    found = [f for f in preflight(Config().replace({"embedding_size": 10**6}), FACTS, small) if f.code == "memory"]
    assert [finding.severity for finding in found] == ["error"]
    assert "test has 1.0 GB free" in found[0].message
    assert found[0].cure.startswith("Use --embedding-size ")


def test_a_limit_of_addresses_that_the_compiler_would_die_of_is_an_error() -> None:
    tight = dataclasses.replace(ROOMY, addresses_free=350_000_000)
    (finding,) = (f for f in preflight(Config(), FACTS, tight) if f.code == "addresses")
    assert (finding.severity, finding.cure) == (
        "error",
        "Use ulimit -v unlimited, or ask the batch system for more memory.",
    )
    assert "leaves 350 MB of addresses" in finding.message
    assert not [
        f for f in preflight(Config(), FACTS, dataclasses.replace(ROOMY, addresses_free=10**9)) if f.severity == "error"
    ]


def test_main_memory_is_what_every_limit_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, limit in (("", "max"), ("job", "5000"), ("job/step", "9000")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "memory.max").write_text(limit)
        (tmp_path / folder / "memory.current").write_text("3000")
        (tmp_path / folder / "memory.stat").write_text("anon 1000\ninactive_file 500\n")
    (tmp_path / "memory" / "old").mkdir(parents=True)
    (tmp_path / "memory" / "old" / "memory.limit_in_bytes").write_text("7000")
    (tmp_path / "memory" / "old" / "memory.usage_in_bytes").write_text("6000")
    own = tmp_path / "cgroup"
    own.write_text("4:cpu,memory:/old\n0::/job/step\n")
    assert sorted(placement._left_in_groups(tmp_path, own)) == [1000, 2500, 6500]
    monkeypatch.setattr("resource.getrlimit", lambda _: (10**12, 10**12))
    (left,) = placement._left_of_addresses()
    assert 0 < left < 10**12
    assert host_memory_free() <= left
