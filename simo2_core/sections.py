"""A tree of sections, and the parts in it: what settings there are, how they are changed, written and read.

A field of a section is a setting, another section, a part (an objective, say) or several parts of one kind. A part is
chosen by the setting that is called like its kind, and brings settings of its own:

    --objective supcon --temperature 0.2      {"part": "supcon", "temperature": 0.2}

Host values only: importing this file must stay instant.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, TypeVar, cast

from simo2_core import parts
from simo2_core.errors import ConfigError, MissingPartError, did_you_mean
from simo2_core.parts import Part
from simo2_core.settings import Cadence, Section, Setting, hints_of

S = TypeVar("S", bound=Section)


def part(kind: str, default: str, help: str) -> Any:
    """A field of a section that holds a part of a kind.

    Args:
        default: the name of the part that is there when nothing is said.
        help: of the setting that chooses it.
    """
    return field(
        default_factory=lambda: parts.find(kind, default)(), metadata={"part": kind, "about": help, "default": default}
    )


def several(kind: str, help: str, *, own: bool = True) -> Any:
    """A field of a section that holds parts of a kind.

    Args:
        help: of the setting that names some that are not simo2's own.
        own: whether all of simo2's own are there always, by their settings on or off. Otherwise none is there unless it
            is named, or one of its settings is given.
    """
    return field(
        default_factory=lambda: tuple(made() for made in parts.own(kind).values()) if own else (),
        metadata={"part": kind, "about": help, "several": True, "own": own},
    )


def settings_in(section: type, prefix: str = "") -> Iterator[Setting]:
    """Every setting of a section, of the parts that it can hold, and of the sections inside it, in their order."""
    hints = hints_of(section)
    for item in dataclasses.fields(section):
        meta = item.metadata
        if "help" in meta:
            described = (meta["help"], meta["choices"], meta["aliases"])
            yield Setting(
                item.name, prefix, hints[item.name], *described, item.default, open=meta["open"], bounds=meta["bounds"]
            )
        elif "part" in meta:
            yield from _settings_of_parts(item, prefix or item.name)
        else:
            yield from settings_in(hints[item.name], item.name)


def _settings_of_parts(item: dataclasses.Field[Any], prefix: str) -> Iterator[Setting]:
    kind, about = item.metadata["part"], item.metadata["about"]
    offered = parts.offered(kind) if item.metadata.get("own", True) else parts.strangers(kind)
    if item.metadata.get("several"):
        yield Setting(kind, prefix, str, about, (), (), "", open=True)
    else:
        yield Setting(kind, prefix, str, about, tuple(offered), (), item.metadata["default"], open=True)
    found: dict[str, list[Setting]] = {}
    for name, one in offered.items():
        for setting in settings_in(one, prefix):
            found.setdefault(setting.name, []).append(dataclasses.replace(setting, kind=kind, parts=(name,)))
    for same in found.values():
        yield _together(same)


def _together(same: list[Setting]) -> Setting:
    """One setting that several parts have by the same name: where they differ, each part reads it as its own."""
    first = same[0]
    kinds = {setting.type for setting in same}
    return dataclasses.replace(
        first,
        type=first.type if len(kinds) == 1 else str,
        choices=first.choices if len({setting.choices for setting in same}) == 1 else (),
        parts=tuple(setting.parts[0] for setting in same),
    )


def names_in(section: Section) -> Iterator[tuple[str, Section]]:
    """Every setting of a section and of what it holds, with whom it belongs to."""
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if "help" in item.metadata:
            yield item.name, section
            continue
        if "part" in item.metadata:
            yield item.metadata["part"], section
        for inner in value if isinstance(value, tuple) else (value,):
            yield from names_in(inner)


def value_of(section: Section, name: str) -> Any:
    """The value of the setting `name`, wherever in the tree it is.

    Raises:
        KeyError: no section has it, nor a part that is chosen.
    """
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if "help" in item.metadata:
            if item.name == name:
                return value
            continue
        if item.metadata.get("part") == name:
            return value.name if isinstance(value, Part) else ",".join(_named(item, value))
        for inner in value if isinstance(value, tuple) else (value,):
            try:
                return value_of(inner, name)
            except KeyError:
                continue
    raise KeyError(name)


def changed(section: S, changes: Mapping[str, Any], left: set[str]) -> S:
    """A copy with settings changed by name, wherever in the tree they are; those that were found go from `left`."""
    values: dict[str, Any] = {}
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if "help" in item.metadata:
            if item.name in changes:
                values[item.name] = changes[item.name]
                left.discard(item.name)
        elif item.metadata.get("several"):
            values[item.name] = _changed_parts(item, value, changes, left)
        elif "part" in item.metadata:
            values[item.name] = _changed_part(item.metadata["part"], value, changes, left)
        else:
            values[item.name] = changed(value, changes, left)
    values = {name: value for name, value in values.items() if value is not getattr(section, name)}
    return section.with_values(values) if values else section


def _changed_part(kind: str, now: Part, changes: Mapping[str, Any], left: set[str]) -> Part:
    """The part with the settings given; another part keeps those of its settings that the one before it had."""
    wanted = changes.get(kind, now.name)
    left.discard(kind)
    if isinstance(wanted, Part):
        return wanted
    made = type(now) if wanted == now.name else parts.find(kind, str(wanted))
    if made is type(now):
        return changed(now, changes, left)
    has = {item.name for item in dataclasses.fields(made)}
    kept = {item.name: getattr(now, item.name) for item in dataclasses.fields(now) if item.name in has}
    given = {name: value for name, value in changes.items() if name in has}
    left -= set(given)
    return made(**{**kept, **given})


def gained(before: Section, after: Section, changes: Mapping[str, Any]) -> set[str]:
    """The settings of parts that `changes` chose by name, which the parts in their place had not."""
    found: set[str] = set()
    for item in dataclasses.fields(before):
        now, then = getattr(after, item.name), getattr(before, item.name)
        kind = item.metadata.get("part")
        if "help" in item.metadata or item.metadata.get("several"):
            continue
        if kind is None:
            found |= gained(then, now, changes)
        elif not isinstance(changes.get(kind), Part):  # given whole, it has its settings
            found |= {each.name for each in dataclasses.fields(now)} - {each.name for each in dataclasses.fields(then)}
    return found


def _named(item: dataclasses.Field[Any], now: tuple[Part, ...]) -> list[str]:
    """Those that are there because they were asked for."""
    always = parts.own(item.metadata["part"]) if item.metadata["own"] else ()
    return [one.name for one in now if one.name not in always]


def _changed_parts(
    item: dataclasses.Field[Any], now: tuple[Part, ...], changes: Mapping[str, Any], left: set[str]
) -> tuple[Part, ...]:
    kind, own = item.metadata["part"], item.metadata["own"]
    named = _named(item, now)
    if kind in changes:
        left.discard(kind)
        given = changes[kind]
        named = [name.strip() for name in (given.split(",") if isinstance(given, str) else given) if name.strip()]
    if not own:
        named += [
            name
            for name, part in parts.strangers(kind).items()
            if name not in named and any(setting.name in changes for setting in settings_in(part))
        ]
    have = {one.name: one for one in now}
    always = list(parts.own(kind)) if own else []
    names = [*always, *(name for name in named if name not in always)]
    after = tuple(changed(have[name] if name in have else parts.find(kind, name)(), changes, left) for name in names)
    return now if len(after) == len(now) and all(a is b for a, b in zip(after, now, strict=True)) else after


def plain(value: Any) -> Any:
    """A section, what it holds, or values by name, as JSON-ready data; a part says which it is, and who brings it."""
    if isinstance(value, Cadence):
        return str(value)
    if dataclasses.is_dataclass(value):
        body = {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
        if isinstance(value, Part):
            package = {"package": value.package} if value.package else {}
            return {"part": value.name, **package, **body}
        return body
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def read_section(section: Any, data: Any, where: str) -> Any:
    """What `plain` made, as a section again; raises ConfigError for an unknown setting or an unfit value.

    Args:
        where: what to call the section in a message.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where} must be a JSON object, not {type(data).__name__}.")
    hints = hints_of(section)
    fields = {item.name: item for item in dataclasses.fields(section)}
    for key in data:
        if key not in fields:
            raise ConfigError(f"{where} has the unknown setting {key!r}.{did_you_mean(str(key), fields)}")
    values: dict[str, Any] = {}
    for key, value in data.items():
        meta, kind = fields[key].metadata, hints[key]
        if meta.get("several"):
            if not isinstance(value, list):
                raise ConfigError(f"{where}.{key} must be a list, not {type(value).__name__}.")
            read = tuple(read_part(meta["part"], item, f"{where}.{key}") for item in value)
            here = {one.name for one in read}
            always = parts.own(meta["part"]) if meta["own"] else {}
            values[key] = (*read, *(made() for name, made in always.items() if name not in here))
        elif "part" in meta:
            values[key] = read_part(meta["part"], value, f"{where}.{key}")
        else:
            nested = isinstance(kind, type) and issubclass(kind, Section)
            values[key] = read_section(kind, value, f"{where}.{key}") if nested else value
    return section(**values)


def read_part(kind: str, data: Any, where: str) -> Part:
    """What `plain` made of a part.

    Raises:
        ConfigError: it is not installed here, nor named on this command line, or has an unfit setting.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("part"), str):
        raise ConfigError(f"{where} must be a JSON object that says which part it is.")
    name, package = data["part"], data.get("package")
    try:
        made = parts.find(kind, name)
    except ConfigError:
        if package is None or parts.is_reference(name):
            raise
        raise MissingPartError(
            f"the {kind} {name!r} is of the package {package}, which is not installed here. "
            f"Install it with: pip install {package}."
        ) from None
    body = {key: value for key, value in data.items() if key not in ("part", "package")}
    return cast(Part, read_section(made, body, where))
