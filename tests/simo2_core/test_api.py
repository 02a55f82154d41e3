"""Training from a program of one's own: the examples of the guide, and what they promise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import simo2_core as simo2
from simo2_core.errors import ConfigError, DataError
from simo2_core.events import Evaluated, RunFinished, StepsLogged
from simo2_core.first_settings import first_settings
from tests.tiny import TINY

PAGE = Path(__file__).parents[2] / "simo2_tui" / "guide" / "python.md"
DIGITS = load_digits()
IMAGES = np.rint(DIGITS.images * 255 / 16).astype(np.uint8)
SMALL: dict[str, Any] = TINY | {"steps": 4}


def example(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": f"example{number}"}
    exec(compile(PAGE.read_text().split("```python\n")[number].split("```")[0], str(PAGE), "exec"), names)
    return names


@pytest.mark.slow
def test_the_first_example_trains_on_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = example(1)["run"]
    assert run.test.split == "test"
    assert run.test.knn_representation > 0.5
    encoder = simo2.load_encoder(run.path)
    assert encoder.represent(IMAGES[:3, :, :, None]).shape == (3, 128)


def test_the_second_example_trains_an_own_network_with_an_own_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = example(2)["run"]
    assert run.config.objective.name == "example2:axes"
    assert simo2.load_encoder(run.path).represent(IMAGES[:3, :, :, None]).shape == (3, 32)


def test_a_run_on_arrays_goes_on_where_they_are_given_again(tmp_path: Path) -> None:
    half: dict[str, Any] = {"test": (IMAGES[900:], DIGITS.target[900:])}
    run = simo2.fit(IMAGES[:900], DIGITS.target[:900], run_dir=tmp_path, name="mine", **SMALL, **half)
    kinds = [type(event) for event in run]
    assert kinds.count(StepsLogged) >= 1
    assert kinds[-1] is RunFinished
    assert isinstance(run.test, Evaluated)
    assert run.test.images == len(IMAGES) - 900
    simo2.give("mine", IMAGES[:900, ::-1], DIGITS.target[:900])
    with pytest.raises(Exception, match="other images"):
        simo2.resume(run.path, steps=6).run()
    simo2.give("mine", IMAGES[:900], DIGITS.target[:900], **half)
    assert list(simo2.resume(run.path, steps=6))[-1].step == 6
    encoder = simo2.load_encoder(run.path)
    part = IMAGES[:60, :, :, None], DIGITS.target[:60]
    scores = simo2.evaluate(encoder, train=(IMAGES[60:400, :, :, None], DIGITS.target[60:400]), test=part)
    assert 0 <= scores["knn_20"] <= 1
    assert 0 <= scores["linear_probe"] <= 1


def test_a_function_of_the_number_trains_as_the_array_does(tmp_path: Path) -> None:
    settings = SMALL | {"steps": 1, "run_dir": tmp_path}
    by_array = simo2.fit(IMAGES[:900], DIGITS.target[:900], name="array", **settings)
    by_function = simo2.fit(lambda number: IMAGES[number], DIGITS.target[:900], name="function", **settings)
    assert by_function.config.replace({"dataset": "python:array"}) == by_array.config
    first, second = (run.run().test for run in (by_array, by_function))
    assert first is not None
    assert second is not None
    assert first.knn_representation == second.knn_representation
    assert first.images == second.images == 180


def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path) -> None:
    labels = DIGITS.target
    for images, given, error, said in (
        (IMAGES / 255.0, labels, DataError, "must be uint8"),
        (IMAGES, labels[:5], DataError, "one for each of 1797 images"),
        (IMAGES, None, ConfigError, "without labels"),
    ):
        with pytest.raises(error, match=said):
            simo2.fit(images, given, run_dir=tmp_path)
    with pytest.raises(DataError, match="not trained on: 9"):
        simo2.fit(IMAGES[:50], np.minimum(labels[:50], 8), test=(IMAGES, labels), run_dir=tmp_path)
    with pytest.raises(ConfigError, match="Did you mean steps"):
        simo2.fit(IMAGES, labels, stepz=3, run_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [{}, {"steps": 7}, {"recipe": "none"}, {"objective": "supcon"}, {"encoder": "yat_airbench"}, {"flip": False}],
    ids=str,
)
def test_a_preset_means_what_it_means_on_the_command_line(given: dict[str, Any], tmp_path: Path) -> None:
    typed = first_settings("cifar10", given)
    run = simo2.fit(config="cifar10", run_dir=tmp_path, **given)
    assert run.config == typed.config
    assert run.why == typed.why
    assert ("--recipe none" in run.why) == ("recipe" not in given and "encoder" not in given and "flip" not in given)
    on_arrays = simo2.fit(IMAGES, DIGITS.target, config="cifar10", run_dir=tmp_path, name="arrays", **given).config
    assert on_arrays.recipe == typed.config.recipe
    assert on_arrays.model == typed.config.model
    assert on_arrays.minutes == typed.config.minutes


def test_a_recipe_goes_with_arrays_and_with_an_encoder_of_ones_own(tmp_path: Path) -> None:
    run = simo2.fit(IMAGES, DIGITS.target, recipe="fast", encoder="yat_airbench", steps=7, run_dir=tmp_path)
    assert (run.config.recipe, run.config.model.encoder.name, run.config.minutes) == ("fast", "yat_airbench", 0)
    assert run.config.optim.optimizer == "muon"
    assert run.why == ""
    assert simo2.fit(dataset="cifar100", run_dir=tmp_path).config.recipe == "fast"


def test_every_public_name_is_documented_and_imports_nothing_early() -> None:
    for name in simo2.__all__:
        assert getattr(simo2, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        simo2.fitt  # noqa: B018
