"""What a tracking service is: a part that says how it is told of a run."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from typing import TYPE_CHECKING, ClassVar, cast

from simo2_core import parts
from simo2_core.errors import ConfigError
from simo2_core.parts import Part
from simo2_core.sections import plain, read_part

if TYPE_CHECKING:
    from simo2_core.run.directory import RunDirectory
    from simo2_core.trackers.tracker import Tracker


class Service(Part):
    """The base of all services: what a user asked for. It can be passed to another process as one line of text."""

    client: ClassVar[str] = ""
    """The package that speaks to it, and the extra of simo2 that installs it; empty where none is needed."""
    at_fault: ClassVar[str] = "Try again later."
    """What helps when it refuses, or cannot be reached."""

    @property
    def replay(self) -> str:
        """The option of `simo2 log` that tells a run to this service later."""
        given = [
            f":{item.name}={getattr(self, item.name)}"
            for item in dataclasses.fields(self)
            if getattr(self, item.name) != item.default
        ]
        return f"--tracker {parts.references().get(self.name, self.name)}{''.join(given)}"

    def of_run(self, run: RunDirectory) -> Service:
        """The service as that of one run: what it leaves to the run is filled in."""
        return self

    def open(self, run: RunDirectory) -> Tracker:
        """Begins to tell a run, in a process of its own; may import what takes seconds, and raise what that raises."""
        raise NotImplementedError

    def require_client(self) -> None:
        """Raises ConfigError when the service's client is not installed, without importing it."""
        if self.client and importlib.util.find_spec(self.client) is None:
            raise ConfigError(f"{self.client} is not installed. Install it with: pip install 'simo2[{self.client}]'.")

    def to_line(self) -> str:
        """The service as one line of JSON; `from_line` reads it."""
        return json.dumps(plain(self))


def from_line(line: str) -> Service:
    """Reads what `Service.to_line` gave.

    Raises:
        ConfigError: the part is not here, or may not be imported.
    """
    return cast(Service, read_part("tracker", json.loads(line), "tracker"))


def choose_service(named: str) -> Service:
    """The service that `NAME`, `FILE.py:Class` or `package.module:Class` means, with settings as in `mine:path=x`.

    Raises:
        ConfigError: there is no such service or setting, or its client is not installed.
    """
    service = cast(Service, parts.named("tracker", named))
    service.require_client()
    return service
