"""What settings are made of: described fields that check themselves, and read themselves from text.

A section is a frozen dataclass whose fields are `setting`s. Each carries its one-line description and, through its
name, its command-line flag (`samples_per_class` is `--samples-per-class`).

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from simo2_core.bounds import LARGEST_COUNT, Bounds, shown
from simo2_core.errors import ConfigError, did_you_mean


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    open: bool = False,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    cure: str = "",
) -> Any:
    """A field of a section: its default, its one-line description, and what else describes it to a user.

    Args:
        choices: what it can be.
        aliases: other names of its flag.
        open: whether beside `choices` a reference to code may do, `package.module:name`.
        at_least, above, at_most, below: the numbers that it can be, or each of several; a number that says nothing is
            bounded all the same, by what 32 bits hold. The lower bound is one of the first two.
        cure: what to do about a number out of bounds.
    """
    bounds = Bounds(at_least, above, at_most, below)
    described = {"help": help, "choices": choices, "aliases": aliases, "open": open, "bounds": bounds, "cure": cure}
    return field(default=default, metadata=described)


def require(ok: bool, name: str, given: object, allowed: str, cure: str = "") -> None:
    """Raises ConfigError, which names the setting, what was given, what is allowed and how to cure it, unless `ok`."""
    if not ok:
        raise ConfigError(f"{name} is {shown(given)}; it must be {allowed}.{' ' + cure if cure else ''}")


@functools.cache
def hints_of(section: type) -> dict[str, Any]:
    """The types of the fields of a section, evaluated."""
    return typing.get_type_hints(section)


class Section:
    """What all sections share: each `setting` is checked for its type, choices and bounds when it is made."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        kind: Any = type(self)
        hints = hints_of(kind)
        for item in dataclasses.fields(self):
            if "help" not in item.metadata:
                continue
            value = getattr(self, item.name)
            object.__setattr__(self, item.name, value := coerce(item.name, value, hints[item.name]))
            choices = item.metadata["choices"]
            free = not isinstance(value, str) or (item.metadata["open"] and ":" in value)
            if choices and value not in choices and not free:
                number = "a number, or " if float in typing.get_args(hints[item.name]) else ""
                hint = did_you_mean(value, choices)
                raise ConfigError(
                    f"{item.name} is {shown(value)}; it must be {number}one of {', '.join(choices)}.{hint}"
                )
            _check_bounds(item.name, value, item.metadata["bounds"], item.metadata["cure"])
        self.check()

    def check(self) -> None:
        """Raises ConfigError for a value that cannot work."""

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """A copy with the fields given; where one setting stands for several, those that it stands for as well."""
        return dataclasses.replace(self, **values)


def _check_bounds(name: str, value: Any, bounds: Bounds, cure: str) -> None:
    if isinstance(value, Cadence):
        for number in (value.steps, value.seconds):
            require(0 <= number <= LARGEST_COUNT, name, number, f"from 0 to {LARGEST_COUNT:,} steps or seconds")
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int | float) and not isinstance(number, bool):
            allowed = bounds.refusal(number)
            require(not allowed, name, value, allowed, cure)


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often something happens: every so many steps, every so many seconds, or never.

    Written as `500` (steps), `30s`, `5m`, `1h` or `never`.
    """

    steps: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str | int | Cadence) -> Cadence:
        """Reads `500`, `30s`, `5m`, `1h` or `never`; raises ConfigError for anything else."""
        if isinstance(text, Cadence):
            return text
        word = str(text).strip().lower()
        if word in ("never", "0", "off"):
            return cls()
        unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(word[-1:], 0.0)
        number = word[:-1] if unit else word
        try:
            value = float(number) if unit else int(number)
        except ValueError:
            value = -1
        if not math.isfinite(value) or value <= 0:
            raise ConfigError(
                f"{shown(text)} is no cadence; write a number of steps (500), a time (30s, 5m, 1h) or never."
            )
        return cls(seconds=float(value) * unit) if unit else cls(steps=int(value))

    def __str__(self) -> str:
        if self.steps:
            return str(self.steps)
        return f"{self.seconds:g}s" if self.seconds else "never"

    def due(self, *, step: int, last_step: int, now: float, last_time: float) -> bool:
        """Whether it is time, given when (step, seconds) it last happened."""
        if self.steps:
            return step // self.steps > last_step // self.steps
        return bool(self.seconds) and step > last_step and now - last_time >= self.seconds

    def steps_until(self, step: int) -> int | None:
        """Steps from `step` to the next multiple, or None when it goes by time."""
        return self.steps - step % self.steps if self.steps else None


@dataclass(frozen=True)
class Setting:
    """One setting, as the command line and the launcher see it."""

    name: str
    section: str
    """The name of the section's field in `Config`, empty for the top level."""
    type: Any
    help: str
    choices: tuple[str, ...]
    aliases: tuple[str, ...]
    default: Any
    kind: str = ""
    """The kind of the parts that it belongs to; empty where it belongs to the run."""
    parts: tuple[str, ...] = ()
    """The parts that have it, where it belongs to some."""
    bounds: Bounds = Bounds()
    """Of its number, or of each of its numbers."""
    open: bool = False
    """Whether values beside `choices` may do: the names of parts that are somebody's own."""

    @property
    def flag(self) -> str:
        """`samples_per_class` as `--samples-per-class`."""
        return "--" + self.name.replace("_", "-")

    def parse(self, text: str) -> Any:
        """Reads a value as a user types it; raises ConfigError when it is of the wrong kind or out of choice."""
        return coerce(self.name, text, self.type)


def coerce(name: str, value: Any, kind: Any) -> Any:
    """`value` as the type `kind` of a setting, reading text where it is text; raises ConfigError otherwise."""
    if isinstance(kind, types.UnionType):
        some = set(typing.get_args(kind))
        if types.NoneType in some and (
            value is None or (isinstance(value, str) and value.strip().lower() in ("", "none"))
        ):
            return None
        if {float, str} <= some:
            try:  # a number, or a word of the setting's choices
                return coerce(name, value, float)
            except ConfigError:
                return coerce(name, value, str).strip()
        kind = next(arg for arg in typing.get_args(kind) if arg is not type(None))
    try:
        if kind is Cadence:
            return Cadence.parse(value)
        if kind is bool:
            return _read_bool(value)
        if kind is int:
            if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                raise ValueError
            return int(value)
        if kind is float:
            if isinstance(value, bool):
                raise ValueError
            return _read_float(value)
        if typing.get_origin(kind) is tuple:
            items = _split(value) if isinstance(value, str) else list(value)
            return tuple(coerce(name, item, typing.get_args(kind)[0]) for item in items)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(
            f"{name} is {shown(value)}; it must be {words.get(kind, 'numbers, comma separated')}."
        ) from None
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {shown(value)}; it must be text.")
    return value


def _split(text: str) -> list[str]:
    return text.split(",") if text.strip() else []


def read_switch(word: str) -> bool | None:
    """Whether `word` says yes (true, yes, on, 1) or no (false, no, off, 0); None when it says neither."""
    return {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }.get(word.strip().lower())


def _read_bool(value: Any) -> bool:
    found = read_switch(str(value))
    if found is None:
        raise ValueError
    return found


def _read_float(value: Any) -> float:
    if isinstance(value, str) and value.count("/") == 1:  # 1/137 is how the papers write it
        top, bottom = value.split("/")
        return float(top) / float(bottom)
    return float(value)


def as_typed(value: Any) -> str:
    """A setting's value as a user would type it; `Setting.parse` reads it back without losing a digit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, float):
        short = f"{value:g}"
        if float(short) == value or value == 0:
            return short
        return f"1/{1 / value:g}" if 1 / round(1 / value) == value else repr(value)  # 1/137, as the papers write it
    return "none" if value is None else str(value)
