"""How every command of simo2 reads its words and prints its help: switches with and without a value, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from simo2_core.errors import ConfigError
from simo2_core.settings import read_switch

_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[]*?\])")
"""What rich takes for markup."""


class OwnCommand(TyperCommand):
    """A command whose switches may be written `--flip`, `--no-flip`, `--flip=false` or `--flip false`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _show_as_written(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words after the command's name; raises ConfigError for a switch with another word than these."""
        normal = ctx.token_normalize_func or str
        return super().parse_args(ctx, without_values(args, self.get_params(ctx), normal))


class OwnGroup(TyperGroup):
    """A group of commands, which shows its help as it is written, and reads its own options as a command does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _show_as_written(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words up to the name of a command; raises ConfigError as a command does."""
        normal = ctx.token_normalize_func or str
        return super().parse_args(ctx, without_values(args, self.get_params(ctx), normal, ahead=True))


class App(typer.Typer):
    """An app of `OwnCommand`s in `OwnGroup`s."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"cls": OwnGroup, **options})

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """As Typer's, which makes a command of a function."""
        return super().command(name, **{"cls": OwnCommand, **options})


def _show_as_written(command: Any) -> None:
    """Keeps brackets in its help, such as `name[/config]`, from being read as markup."""
    for thing in (command, *command.params):
        for field in ("help", "short_help", "epilog"):
            if text := getattr(thing, field, None):
                setattr(thing, field, _TAG.sub(r"\1\1\\\2", text))


def without_values(
    args: Sequence[str], parameters: Iterable[Any], normal: Callable[[str], str] = str, *, ahead: bool = False
) -> list[str]:
    """The words of a command line, each switch that is followed by its value made one without.

    Args:
        parameters: of the command; the switches among them have a spelling for yes and one for no.
        normal: makes an option's name the usual one, such as `--no-flip` of `--no_flip`.
        ahead: whether what follows the options is left to a command.

    Raises:
        ConfigError: a switch with `=` and something that is neither true nor false; or a value that is empty, which a
            shell makes of a variable that is not set.
    """
    switches, valued = _spellings(parameters)
    words = list(args)
    found: list[str] = []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        name = normal(name)
        if word == "--" or (ahead and not word.startswith("-")):
            return [*found, word, *words]
        if name in switches:
            given: bool | None = True
            if equals:
                given = read_switch(value)
                if given is None:
                    raise ConfigError(f"{name} is {value!r}; it must be true or false, or stand alone.")
            elif words and (after := read_switch(words[0])) is not None:
                given = after
                words.pop(0)
            found.append(switches[name][0 if given else 1])
            continue
        found.append(word)
        if name in valued and not equals and words:
            found.append(value := words.pop(0))
            equals = "="
        if not (value if name in valued and equals else word).strip():
            what = name if name in valued else "an argument"
            raise ConfigError(f"{what} is {value!r}; give it a value, or leave it out.")
    return found


def _spellings(parameters: Iterable[Any]) -> tuple[Mapping[str, tuple[str, str]], set[str]]:
    """Each spelling of a switch, with what says the same and the opposite; and the options that take a value."""
    switches: dict[str, tuple[str, str]] = {}
    valued: set[str] = set()
    for parameter in parameters:
        if parameter.param_type_name != "option":
            continue
        if not parameter.is_flag:
            valued.update(parameter.opts)
        elif parameter.secondary_opts:
            yes, no = parameter.opts[0], parameter.secondary_opts[0]
            switches |= dict.fromkeys(parameter.opts, (yes, no)) | dict.fromkeys(parameter.secondary_opts, (no, yes))
    return switches, valued
