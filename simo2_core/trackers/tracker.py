"""What every tracking service is to the rest: something that is told events."""

from __future__ import annotations

from abc import ABC, abstractmethod

from simo2_core.events import Event


class Tracker(ABC):
    """An open connection to a service."""

    where: str = ""
    """Where to look at it, once its run has begun: an address or a folder, for people."""

    @abstractmethod
    def write(self, event: Event) -> None:
        """Tells one event; may take as long as the service does, and raise what its client raises."""

    @abstractmethod
    def close(self) -> None:
        """Sends what is left and ends."""
