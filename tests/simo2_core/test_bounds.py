"""Every number of every setting is bounded: of simo2's own, of every part, and of a stranger's."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from simo2_core import parts
from simo2_core.bounds import Bounds, shown
from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError
from simo2_core.objectives.objective import Objective
from simo2_core.run.directory import RunDirectory
from simo2_core.settings import Cadence, Section, Setting, setting
from simo2_tui.cli.main import app

ABSURD: tuple[Any, ...] = (
    10**400, -(10**400), 10**30, -1, -(10**30), 2**31, 2**32, 2**63, math.nan, math.inf, -math.inf, 1e300, 1e-320, 0,
    0.5, [10**30], [], [-1], [1.5], ["x"], None, True, {}, "", "x" * 5000, "9" * 20, "9" * 5000, "1e400", "nan", "1/0",
    "-5", "1e308h", "9" * 400 + "s", "0s", "1,,2", ",".join(["8"] * 10_000),
)  # fmt: skip
NUMBERS = [item for item in all_settings() if item.type is not str and item.type != (str | None)]


def base_for(item: Setting) -> Config:
    """Settings in which a part that has `item` is chosen."""
    if item.kind not in ("objective", "encoder") or not item.parts:
        return Config()
    changes = {item.kind: item.parts[0]}
    if item.kind == "objective":
        changes["labels"] = cast(type[Objective], parts.find("objective", item.parts[0])).allowed_labels[0]
    return Config().replace(changes)


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, Cadence):
        yield from (value.steps, value.seconds)
    elif isinstance(value, tuple):
        for one in value:
            yield from numbers_in(one)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize("item", NUMBERS, ids=lambda item: item.name)
def test_an_absurd_value_is_refused_in_one_line_or_does_no_harm(item: Setting) -> None:
    base, refusals = base_for(item), []
    for value in ABSURD:
        try:
            config = base.replace({item.name: item.parse(value) if isinstance(value, str) else value})
            from_json = Config.from_json(json.loads(json.dumps(config.to_json())))
        except ConfigError as error:
            refusals.append(str(error))
            continue
        assert from_json == config, value
        for number in numbers_in(config.get(item.name)):
            assert math.isfinite(number), value
            assert abs(number) <= max(2**32, 1e30 * isinstance(number, float)), value
    assert all("\n" not in line and len(line) < 600 for line in refusals), refusals
    assert refusals


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 10**20}, "steps is 100000000000000000000; it must be at most 1,000,000,000."),
        ({"split_seed": -5}, "split_seed is -5; it must be 0 or more."),
        ({"shift": 2**31}, "shift is 2147483648; it must be from 0 to 8,192."),
        ({"labels_per_class": 10**20 - 1}, "at most 1,000,000,000"),
        ({"decay_steps": 10**20 - 1}, "at most 1,000,000,000"),
        ({"split_seed": 10**30}, "at most 4,294,967,295"),
        ({"steps": 10**400}, "steps is 100000000000000000000000000000…"),
        ({"widths": (8, 10**9)}, "widths is (8, 1000000000); it must be at most 65,536."),
        ({"widths": (8,) * 65}, "from 1 to 64 numbers"),
        ({"learning_rate": math.inf}, "above 0 and finite"),
        ({"weight_decay": math.inf}, "at least 0 and finite"),
        ({"epsilon": math.nan}, "above 0 and finite"),
        ({"hue": 0.6}, "from 0 to 0.5"),
        ({"crop": 0}, "above 0 and at most 1"),
        ({"test_fraction": 0.9}, "above 0 and below 0.9"),
        ({"eval_every": "1e308h"}, "from 0 to 1,000,000,000 steps or seconds"),
        ({"plot_every": "9" * 30}, "from 0 to 1,000,000,000 steps or seconds"),
        ({"embedding_size": 10**9}, "at most 1,000,000"),
    ],
)
def test_the_bound_is_in_the_refusal(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config().replace(changes)
    assert said in str(caught.value)


def test_a_setting_that_names_no_bound_has_that_of_the_machine() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Mine(Section):
        margin: float = setting(0.2, "a stranger's number")
        hops: int = setting(1, "another")

    typed: dict[str, Any] = {"margin": "-7/2", "hops": "-7"}
    assert Mine(margin=-3.5, hops=-7) == Mine(**typed)
    for bad in ({"margin": math.nan}, {"margin": math.inf}, {"margin": 1e31}, {"hops": 2**31}, {"hops": -(2**40)}):
        with pytest.raises(ConfigError, match="must be"):
            Mine(**bad)  # type: ignore[arg-type]


def test_bounds_are_told_in_help_where_they_say_something() -> None:
    assert Bounds(at_least=0, at_most=1).told == "from 0 to 1"
    assert Bounds(above=0, at_most=1).told == "above 0 and at most 1"
    assert Bounds(at_least=0, at_most=10**9).told == Bounds(at_least=0).told == Bounds().told == ""


def test_a_value_is_shown_in_one_short_line() -> None:
    assert shown(3) == "3"
    assert shown("a\nb") == r"'a\nb'"
    assert len(shown("x" * 10_000)) < 80
    assert shown(10**5000) == "a number of thousands of digits"


@pytest.mark.parametrize(
    "words",
    [["--steps", "9" * 20], ["--split-seed", "-5"], ["--shift", "2147483648"], ["--labels-per-class", "9" * 20],
     ["--decay-steps", "9" * 20, "--schedule", "step"], ["--keep", "1e400"], ["--eval-every", "9" * 400 + "s"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_nothing_is_begun_with_a_number_out_of_bounds(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", "--name", "mine", *words])
    assert result.exit_code == 2
    assert "unexpected" not in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 10**400), ("split_seed", 10**30), ("split_seed", -1), ("keep", 1e400)]
)
def test_an_edited_config_is_refused_in_one_line(tmp_path: Path, name: str, value: Any) -> None:
    run = RunDirectory.create(tmp_path, "one", Config())
    found = json.loads(run.config_path.read_text())
    section = found["config"] if name in found["config"] else found["config"]["data"]
    section[name] = value
    del found["sha256"]  # as the message about an edited file says
    run.config_path.write_text(json.dumps(found))
    for command in ("resume", "eval", "plot"):
        result = CliRunner().invoke(app, [command, "one", "--run-dir", str(tmp_path)])
        assert result.exit_code in (1, 2)
        assert "unexpected" not in result.stderr
        assert result.stderr.count("\n") <= 2, result.stderr
