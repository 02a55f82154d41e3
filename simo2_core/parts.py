"""Parts that anyone can add: how they are found, and what may be imported to find them.

A part is a frozen dataclass that describes itself: its fields are its settings, and `name` is what a user calls it by.
Each kind of part has a room, in which a file is found by being there, and a group of entry points, by which an
installed package adds its own. For a quick try there is a third way, a reference: `FILE.py:Class`, or
`package.module:Class`, which is imported only where the command line, or `SIMO2_PARTS`, has named it.

What a run's folder says is never a reason to import anything.

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.abc
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, cast

from simo2_core.errors import ConfigError, MissingPartError, did_you_mean
from simo2_core.faults import REFERENCED, naming_faults, remember, told
from simo2_core.settings import Section, hints_of

VARIABLE = "SIMO2_PARTS"
"""The environment variable with the references that may be imported, one a line: how child processes know them."""

_REFERENCE = re.compile(r"(?P<where>[^:=]+):(?P<what>[A-Za-z_]\w*)")

_WITH_SETTINGS = re.compile(r"(?P<name>.+?)(?P<settings>(:[a-z_]\w*=[^:]*)*)")


class Part(Section):
    """The base of all parts: a frozen dataclass whose fields are its settings."""

    name: ClassVar[str] = ""
    """What a user calls it by; of a part named by reference, the reference."""
    summary: ClassVar[str] = ""
    """What it is, in a few words, for `--help` and the launcher."""
    package: ClassVar[str | None] = None
    """The installed package that brings it; None for simo2's own and for a reference."""

    def __post_init__(self) -> None:
        with naming_faults():
            super().__post_init__()

    @classmethod
    def adapt(cls, found: Any, name: str) -> type[Part] | None:
        """A part made of something else that a reference names, a function say; None where that cannot be."""
        return None


@dataclass(frozen=True)
class Kind:
    """One kind of part."""

    word: str
    """`objective`: the name of its option."""
    room: str
    """The package whose files are simo2's own parts of this kind."""
    base: str
    """`module:Class` of which all its parts are subclasses."""

    @property
    def group(self) -> str:
        """The group of entry points, such as `simo2.objectives`."""
        return f"simo2.{self.word}s"


KINDS = {
    kind.word: kind
    for kind in (
        Kind("objective", "simo2_core.objectives", "simo2_core.objectives.objective:Objective"),
        Kind("encoder", "simo2_core.encoders", "simo2_core.encoders.encoder:Encoder"),
        Kind("augmentation", "simo2_core.augmentations", "simo2_core.augmentations.augmentation:Augmentation"),
        Kind("source", "simo2_core.data.sources", "simo2_core.data.sources.source:SourcePart"),
        Kind("metric", "simo2_core.metrics", "simo2_core.metrics.metric:Metric"),
        Kind("tracker", "simo2_core.trackers", "simo2_core.trackers.service:Service"),
    )
}
"""Every kind by its word."""

_registered: dict[str, dict[str, type[Part]]] = {}
"""By kind and name: what a program has added itself."""


problems: dict[str, str] = {}
"""Why parts of installed packages are left out, for whoever has a place to say it."""


def own(kind: str) -> dict[str, type[Part]]:
    """simo2's own parts of a kind, by name, in the order of their files."""
    return dict(_own(kind))


@cache
def _own(kind: str) -> dict[str, type[Part]]:
    room, base = importlib.import_module(KINDS[kind].room), base_of(kind)
    found: dict[str, type[Part]] = {}
    for module_info in pkgutil.iter_modules(room.__path__):
        module = importlib.import_module(f"{room.__name__}.{module_info.name}")
        found |= {part.name: part for part in _parts_in(module, base)}
    return found


def _parts_in(module: ModuleType, base: type[Part]) -> list[type[Part]]:
    return [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, base) and item.__module__ == module.__name__ and item.name
    ]


def base_of(kind: str) -> type[Part]:
    """The class that every part of a kind is a subclass of."""
    module, _, name = KINDS[kind].base.partition(":")
    return cast(type[Part], getattr(importlib.import_module(module), name))


@cache
def _installed(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=KINDS[kind].group)}


def names(kind: str) -> tuple[str, ...]:
    """What there is of a kind: simo2's own, those of installed packages, and those that this process may import."""
    others = [name for name in (*_installed(kind), *_registered.get(kind, {})) if name not in _own(kind)]
    return *_own(kind), *others


def offered(kind: str) -> dict[str, type[Part]]:
    """Every part of a kind that can be used here, by name; one whose package does not import is left out."""
    return {**own(kind), **strangers(kind)}


def strangers(kind: str) -> dict[str, type[Part]]:
    """Those that are not simo2's own: of installed packages, of this program, and named by reference."""
    found: dict[str, type[Part]] = {}
    for name in (*_installed(kind), *_registered.get(kind, {}), *references()):
        try:
            part = find(kind, name)
        except ConfigError as error:  # help must not end for somebody else's fault
            if name in _installed(kind):
                problems[f"{kind} {name}"] = str(error)
            continue
        found[part.name] = part
    return found


def find(kind: str, name: str) -> type[Part]:
    """The part of a kind that is called `name`.

    Raises:
        ConfigError: there is none, its package does not import, or it is a reference that nobody has named here.
    """
    if name in _registered.get(kind, {}):
        return _registered[kind][name]
    if is_reference(name):
        return _load_reference(kind, name)
    if name in _own(kind):
        return _own(kind)[name]
    if name in _installed(kind):
        return _load_installed(kind, name)
    known = names(kind)
    raise ConfigError(
        f"there is no {kind} {name!r}; choose from {', '.join(known)}, or name your own as FILE.py:Class."
        f"{did_you_mean(name, known)}"
    )


def named(kind: str, text: str) -> Part:
    """The part that `text` asks for, with settings where it gives some: `knn`, `mine.py:Spread:power=3`.

    Raises:
        ConfigError: there is no such part or setting, or a value cannot work.
    """
    match = _WITH_SETTINGS.fullmatch(text)
    if match is None:
        raise ConfigError(f"{kind} is {text!r}; it must be one of {', '.join(names(kind))}, or FILE.py:Class.")
    made = find(kind, match["name"])
    known = [item.name for item in dataclasses.fields(made)]
    given = dict(word.split("=", 1) for word in match["settings"].split(":") if word)
    for name in given:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(f"{name!r} is no setting of {made.name}; {has}.{did_you_mean(name, known)}")
    return made(**given)


@cache
def _load_installed(kind: str, name: str) -> type[Part]:
    point = _installed(kind)[name]
    package = point.dist.name if point.dist else point.value.partition(":")[0]
    try:
        found = point.load()
    except Exception as error:  # a stranger's module may raise anything
        raise ConfigError(f"the {kind} {name!r} of the package {package} does not import: {told(error)}.") from error
    part = _as_part(kind, found, name)
    part.package = package
    return part


def register(kind: str, part: type[Part]) -> type[Part]:
    """Makes a part known in this process, by its `name` or, where it has none, by its module and class."""
    part.name = part.name or f"{part.__module__}:{part.__qualname__}"
    _registered.setdefault(kind, {})[part.name] = part
    remember(kind, part)
    return part


def is_reference(text: str) -> bool:
    """Whether `text` has the form `FILE.py:Class` or `package.module:Class`."""
    return _REFERENCE.fullmatch(text) is not None


def allow(reference: str) -> None:
    """Lets this process and its children import what `reference` names: it was given by the user of this process."""
    where, _, what = reference.partition(":")
    path = Path(where).expanduser()
    full = f"{path.absolute()}:{what}" if path.suffix == ".py" else reference
    known = os.environ.get(VARIABLE, "").splitlines()
    if full not in known:
        os.environ[VARIABLE] = "\n".join([*known, full])


def references() -> dict[str, str]:
    """What may be imported here: the name of a part to the whole reference. `/home/me/mine.py:X` is `mine.py:X`."""
    return {short_reference(line): line for line in os.environ.get(VARIABLE, "").splitlines() if is_reference(line)}


def short_reference(reference: str) -> str:
    """How a part is called: `/home/me/mine.py:X` is `mine.py:X`."""
    where, _, what = reference.partition(":")
    return f"{Path(where).name}:{what}" if where.endswith(".py") else reference


def _load_reference(kind: str, name: str) -> type[Part]:
    whole = references().get(short_reference(name))
    if whole is None:
        raise MissingPartError(
            f"the {kind} {name!r} is code that is neither installed nor named on this command line, so it is not "
            f"imported. Add --with {name} if you trust it."
        )
    return _as_part(kind, _import(whole), short_reference(name))


def find_object(reference: str, *, trusted: str) -> Any:
    """What a reference names, be it a part or not.

    Args:
        trusted: a package that simo2 itself depends on, whose modules may always be imported.

    Raises:
        ConfigError: it does not import, or nobody has named it here.
    """
    inside = reference.partition(":")[0].split(".")[0] == trusted
    whole = reference if inside else references().get(short_reference(reference))
    if whole is None:
        raise MissingPartError(
            f"{reference!r} is code that is not named on this command line, so it is not imported. "
            f"Add --with {reference} if you trust it."
        )
    return _import(whole)


def _import(reference: str) -> Any:
    where, _, what = reference.partition(":")
    module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    if not hasattr(module, what):
        near = did_you_mean(what, [item for item in vars(module) if not item.startswith("_")])
        raise ConfigError(f"{where} has no {what}.{near}")
    return getattr(module, what)


def _module_of(path: Path) -> str:
    """Two files of one name in different folders are two modules."""
    place = zlib.crc32(os.fsencode(path.absolute()))
    return f"{REFERENCED}{re.sub(r'[^0-9a-zA-Z_]', '_', path.stem)}_{place:08x}"


class ReferencedFiles(importlib.abc.MetaPathFinder):
    """Finds the modules of files that references name: for a process that is sent objects of theirs by pickle."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The file of a module; None for one that nobody has named."""
        files = (Path(reference.partition(":")[0]) for reference in references().values())
        found = next((file for file in files if file.suffix == ".py" and _module_of(file) == fullname), None)
        return None if found is None else importlib.util.spec_from_file_location(fullname, found)


@cache
def _import_file(path: Path) -> ModuleType:
    name = _module_of(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"{path} is no Python file. Name a part as FILE.py:Class.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{path} does not import: {told(error)}.") from error
    return module


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ConfigError(f"{name} does not import: {told(error)}. Name a file as FILE.py:Class.") from error


@cache
def _as_part(kind: str, found: Any, name: str) -> type[Part]:
    base = base_of(kind)
    if inspect.isclass(found) and issubclass(found, base):
        if "__dataclass_fields__" not in vars(found):
            raise ConfigError(f"{name} is no dataclass. Write @dataclass(frozen=True, kw_only=True) above it.")
        made: Any = found
    else:
        made = base.adapt(found, name)
        if made is None:
            raise ConfigError(f"{name} is no {kind}: it must be a subclass of {KINDS[kind].base.replace(':', '.')}.")
    try:
        hints_of(made)
    except Exception as error:  # a name in an annotation that the module does not have, say
        raise ConfigError(f"the settings of {name} cannot be read: {told(error)}.") from error
    made.name = name
    remember(kind, made)
    return cast(type[Part], made)
