import json
from typing import Any

import pytest
from typer.testing import CliRunner

from simo2_core.bench.measure import Bench
from simo2_tui.cli.bench import facts, summary_lines
from simo2_tui.cli.main import app

MEASURED = Bench(
    precision="float32", products="an_option=ONE", product_errors={"squares": 7e-8, "spread": 3e-7},
    preset="digits", device="1 x cpu", batch_size=160, image_shape=(8, 8, 1), parameters=308_373,
    parts={"sampling": 0.001, "augmentation": 0.001, "forward": 0.002, "backward": 0.004, "loss": 0.001,
           "optimiser": 0.001},
    step=0.010, flops=1e9, bytes_moved=2e6, peak_flops=4e11, program_bytes=19_000_000, device_peak_bytes=None,
    compile_cold=8.0, compile_warm=1.0, turns=((0.0102, 0.010), (0.0100, 0.010), (0.0206, 0.020)),
)  # fmt: skip


def test_facts_for_json_follow_from_what_was_measured() -> None:
    found = facts(MEASURED)
    assert json.loads(json.dumps(found))["image_shape"] == [8, 8, 1]
    assert found["milliseconds"] == pytest.approx(
        {"sampling": 1, "augmentation": 1, "forward": 2, "backward": 4, "loss": 1, "optimiser": 1, "step": 10}
    )
    assert found["steps_per_second"] == pytest.approx(100)
    assert found["images_per_second"] == pytest.approx(16_000)
    assert found["mfu"] == pytest.approx(0.25)
    assert found["loop"]["overhead"] == pytest.approx(1.02)
    assert found["loop"]["overhead_over_fixed_batch"] == pytest.approx(1.02 / 0.8)


def test_lines_for_people_say_the_same() -> None:
    text = "\n".join(summary_lines(MEASURED))
    for words in (
        "100.0 steps/s, 16,000 images/s",
        "25.0% of the 400 GFLOP/s",
        "2.0 MB moved a step",
        "8.0 s the first time, 1.0 s from the cache (12%)",
        "1.020 x the bare call, 1.275",
        "median of 3 turns",
        "Products: an_option=ONE; off by 3e-07 at most",
    ):
        assert words in text


def test_a_wrong_preset_is_one_line() -> None:
    result = CliRunner().invoke(app, ["bench", "--preset", "digit"])
    assert result.exit_code == 2
    assert "Did you mean digits" in result.stderr


def test_the_command_measures_and_draws_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it measures, `bench/test_measure.py` holds on a real step."""
    asked: list[Any] = []

    def measure(*given: Any) -> Bench:
        asked.append(given)
        return MEASURED

    monkeypatch.setattr("simo2_core.bench.measure.measure", measure)
    result = CliRunner().invoke(app, ["bench", "--samples-per-class", "3", "--batch-size", "12"])
    assert result.exit_code == 0, result.output
    [(config, dataset, report)] = asked
    assert (config.batch_size, dataset.image_shape) == (12, (8, 8, 1))
    report("said while it is measured")
    for words in ("sampling", "augmentation", "forward", "backward", "loss", "optimiser", "160 images of 8x8x1"):
        assert words in result.stdout


@pytest.mark.parametrize(
    ("words", "name", "shape"),
    [
        (["--dataset", "mnist"], "mnist", (28, 28, 1)),
        (["--preset", "mnist", "--dataset", "mnist"], "mnist", (28, 28, 1)),
        (["--preset", "digits", "--dataset", "kmnist"], "kmnist", (8, 8, 1)),  # as train would resize them
    ],
)
def test_the_images_are_like_those_of_the_data_set_that_is_named(
    words: list[str], name: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measure(*given: Any) -> Bench:
        asked.append(given)
        return MEASURED

    monkeypatch.setattr("simo2_core.bench.measure.measure", measure)
    result = CliRunner().invoke(app, ["bench", *words, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["dataset"] == name
    [(config, dataset, _)] = asked
    assert (config.data.dataset, dataset.image_shape) == (name, shape)
    assert f"A step of {name}: " in CliRunner().invoke(app, ["bench", *words]).stdout


@pytest.mark.parametrize(("name", "hint"), [("cifar", "Did you mean cifar10"), ("./photos", "simo2 presets")])
def test_a_data_set_that_no_preset_knows_is_refused_in_one_line(name: str, hint: str) -> None:
    result = CliRunner().invoke(app, ["bench", "--dataset", name])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert f"dataset is {name!r}; random images" in result.stderr
    assert hint in result.stderr
