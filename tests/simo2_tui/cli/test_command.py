import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from simo2_core.config import all_settings
from simo2_core.errors import ConfigError
from simo2_tui.cli.main import app

SWITCHES = [item for item in all_settings() if item.type is bool]
WITH_SETTINGS = {
    "train": [],
    "finetune": ["latest"],
    "resume": ["latest"],
    "bench": [],
    "compare": [],
    "tui": ["digits"],
}


@cache
def root() -> Any:
    return typer.main.get_command(app)


def given(command: str, *words: str) -> dict[str, Any]:
    """What a command would be called with."""
    parent = root().make_context("simo2", [command], resilient_parsing=True)
    found: dict[str, Any] = root().commands[command].make_context(command, list(words), parent=parent).params
    return found


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, (group := group or root())
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


@pytest.mark.parametrize("command", WITH_SETTINGS)
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda item: item.name)
def test_every_switch_of_every_command_takes_its_old_spellings_and_none(command: str, switch: Any) -> None:
    flag, name = switch.flag, switch.flag.removeprefix("--")
    for words, value in (
        ([flag], True), ([], None), ([f"--no-{name}"], False), ([f"--no_{name}"], False), ([flag, "true"], True),
        ([flag, "no"], False), ([f"{flag}=off"], False), ([f"{flag}=Yes"], True), ([f"--no-{name}=0"], True),
    ):  # fmt: skip
        rest = WITH_SETTINGS[command]
        for line in ([*words, *rest], [*rest, *words]):
            assert given(command, *line)[switch.name] is value, line
    with pytest.raises(ConfigError, match=f"{flag} is 'maybe'; it must be true or false"):
        given(command, f"{flag}=maybe", *WITH_SETTINGS[command])


def test_a_word_after_a_switch_that_is_no_value_is_an_argument() -> None:
    assert given("tui", "--flip", "digits")["preset"] == "digits"
    found = given("finetune", "--freeze", "latest", "--steps", "3")
    assert (found["freeze"], found["run"], found["steps"]) == (True, "latest", "3")


def test_what_belongs_to_another_option_is_left_to_it() -> None:
    found = given("train", "--name", "--flip", "--dataset", "on", "--flip", "false")
    assert (found["name"], found["dataset"], found["flip"]) == ("--flip", "on", False)
    assert given("finetune", "--flip", "--", "no")["run"] == "no"


def test_what_a_shell_makes_of_a_variable_that_is_not_set_is_refused() -> None:
    for words in (["--name", ""], ["--name="], ["--init", " "], ["--resume", ""], ["--steps="], ["--run-dir", ""]):
        name = words[0].rstrip("=")
        with pytest.raises(ConfigError, match=f"{name} is ' ?'; give it a value, or leave it out"):
            given("train", *words)
    for command in ("plot", "eval", "tui"):
        with pytest.raises(ConfigError, match="an argument is ''"):
            given(command, "")
    assert given("plot", "latest", "--kinds", "pca")["kinds"] == "pca"


def test_help_of_every_command_is_printed_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 4000)  # read from the environment once, when it is imported
    for path, command in commands():
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0, (path, result.exception)
        shown = re.sub(r"\s+", " ", result.stdout)
        for parameter in command.params:
            text = re.sub(r"\\(?=\[)", "", getattr(parameter, "help", None) or "")  # the escape for rich
            assert re.sub(r"\s+", " ", text) in shown, (path, parameter.name)
        assert r"\[" not in shown


def test_brackets_in_help_are_no_markup() -> None:
    shown = CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, ["data", "clear", "--help"]).stdout
    assert "TFDS names (name[/config])" in shown


def test_every_number_of_a_command_itself_has_both_bounds() -> None:
    for path, command in commands():
        for parameter in command.params:
            if getattr(parameter, "min", None) is not None and not getattr(parameter, "count", False):
                assert parameter.max is not None, (path, parameter.name)
