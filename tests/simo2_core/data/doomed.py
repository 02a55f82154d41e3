"""A job that ends its process: what damaged memory or a killer of greedy processes does to a decoder."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Doomed:
    """Dies as long as `trap` holds more than nothing, and takes one byte off each time."""

    trap: Path

    def run(self, task: int) -> int:
        left = self.trap.read_bytes()
        if left:
            self.trap.write_bytes(left[1:])
            os._exit(7)
        return task
