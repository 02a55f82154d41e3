import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.bench.machine import compile_twice, empty_compilation_cache
from simo2_core.bench.measure import Bench, count_operations, measure
from simo2_core.bench.stages import PARTS, split, time_in_turn
from simo2_core.bench.synthetic import synthetic_dataset
from simo2_core.compiling import jit
from simo2_core.presets import PRESETS, find_preset
from simo2_core.train.feed import place
from simo2_core.train.memory import program_bytes
from simo2_core.train.step import make_training

# without labels a batch is drawn from images, not from classes: 12 of them here, more than digits has classes
TINY = PRESETS["digits"].config.replace(
    {"widths": "8", "stem_width": 4, "labels": "none", "samples_per_class": 2, "batch_size": 24}
)


@pytest.fixture(scope="module")
def bench() -> Bench:
    told: list[str] = []
    before = jax.config.values["jax_compilation_cache_dir"]
    result = measure(TINY, synthetic_dataset(find_preset("digits"), TINY), told.append, seconds=0.4)
    assert jax.config.values["jax_compilation_cache_dir"] == before
    assert told
    return result


def test_the_parts_add_up_to_the_step(bench: Bench) -> None:
    assert tuple(bench.parts) == PARTS
    assert math.isclose(sum(bench.parts.values()), bench.step, rel_tol=1e-9)
    assert min(bench.parts[name] for name in ("sampling", "loss", "optimiser")) > 0, "the others are differences"


def test_facts_of_the_step_are_those_of_the_settings(bench: Bench) -> None:
    assert bench.batch_size == 24, "as many as the loop of training has"
    assert bench.image_shape == (8, 8, 1)
    stem, block = 9 * 4 + 1, 9 * 4 * 8 + 1 + 9 * 8 * 8 + 8 + 4 * 8
    assert bench.parameters == stem + block + 8 * 16 + 16
    # 3×3 convolutions of 24 maps of 64 pixels, forwards and twice backwards, are most of what there is to do
    convolutions = 2 * 24 * 64 * (9 * 4 + 9 * 4 * 8 + 9 * 8 * 8 + 4 * 8)
    assert 2.0 * convolutions < bench.flops < 6.0 * convolutions
    assert bench.bytes_moved > 4 * bench.parameters
    assert bench.program_bytes > 3 * 4 * bench.parameters, "weights and both moments of Adam"


def test_operations_are_those_of_the_plain_convolutions_at_full_size() -> None:
    # 16 images in four batches of patches: a compiled loop over them would count one
    config = PRESETS["cifar10"].config.replace(
        {"recipe": "fast", "groups": "4,4,4", "samples_per_class": 2, "batch_size": 20, "objective": "cross_entropy"}
    )
    assert config.grow_from
    counted, dataset = [], synthetic_dataset(find_preset("cifar10"), config)
    for images in (20, 40):
        of = config.replace({"grow_from": 0, "batch_size": images, "samples_per_class": images // 10})
        step, state = make_training(of, len(dataset.class_names), dataset.image_shape)
        counted.append(count_operations(step, state, place(dataset)))
    pixels = 31 * 31 * 4 * 3 * 24 + 9 * (31 * 31 * 24 * 4 + 15 * 15 * (4 * 4 + 4 * 4) + 7 * 7 * 32 + 3 * 3 * 16)
    per_image = (counted[1] - counted[0]) / 20
    assert 2.5 * 2 * pixels < per_image < 4.5 * 2 * pixels


def test_ratios_are_of_what_was_measured(bench: Bench) -> None:
    assert bench.mfu == pytest.approx(bench.flops / bench.step / bench.peak_flops)
    assert len(bench.turns) >= 3
    assert min(map(min, bench.turns)) > 0
    assert bench.loop_overhead == np.median([loop / bare for loop, bare in bench.turns])
    assert bench.fixed_batch_overhead >= bench.loop_overhead


def test_a_second_start_finds_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []
    with empty_compilation_cache():
        folder = jax.config.values["jax_compilation_cache_dir"]

        def make() -> Any:
            from pathlib import Path

            entered.append({path.name for path in Path(folder).iterdir()})
            return jit(lambda x: jnp.sin(x) @ x).lower(jnp.ones((8, 8))).compile()

        compiled, cold, warm = compile_twice(make)
    assert cold > 0
    assert warm > 0
    assert [bool(names) for names in entered] == [False, True]
    assert program_bytes(compiled) >= 2 * 8 * 8 * 4


def test_the_backward_pass_is_what_remains_of_the_step() -> None:
    stages = {"sampling": 1.0, "augmentation": 3.0, "forward": 7.0, "loss": 2.0, "optimiser": 1.0, "step": 21.0}
    assert split(stages) == {
        "sampling": 1.0,
        "augmentation": 2.0,
        "forward": 4.0,
        "backward": 11.0,
        "loss": 2.0,
        "optimiser": 1.0,
    }


def test_stages_take_turns_and_the_fastest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []
    monkeypatch.setattr("simo2_core.bench.stages.time.perf_counter", lambda: clock[0])

    def run(name: str, seconds: float) -> Any:
        def steps(n: int) -> None:
            calls.append((name, n))
            clock[0] += n * seconds * (1 + len(calls) % 3)

        return steps

    best = time_in_turn({"a": run("a", 1.0), "b": run("b", 0.001)}, seconds=4.0, most=64)
    assert best == pytest.approx({"a": 1.0, "b": 0.001})
    assert [name for name, _ in calls[-10:]] == ["a", "b"] * 5
    assert max(n for _, n in calls) <= 64


def test_random_images_have_the_shape_that_the_settings_ask_for() -> None:
    preset = find_preset("stl10")
    config = preset.config.replace({"image_size": 24, "channels": 1})
    dataset = synthetic_dataset(preset, config)
    assert dataset.image_shape == (24, 24, 1)
    assert len(dataset.class_names) == 10
    assert len(dataset.train) <= 5_000
    assert dataset.train.images.nbytes <= 64_000_000
    np.testing.assert_array_equal(dataset.train.rows, np.arange(len(dataset.train)))
    large = synthetic_dataset(find_preset("imagenet2012"), find_preset("imagenet2012").config)
    assert large.train.counts.min() >= 2
    assert large.train.images.nbytes < 150_000_000
