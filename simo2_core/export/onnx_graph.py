"""A graph of ONNX operators while it is made: its nodes, its constants, and what its values are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.errors import RunError
from simo2_core.export import onnx_file

BATCH = "batch"


@dataclass(frozen=True)
class Value:
    """What an operator gives: a name in the graph, or an array that is known already."""

    shape: tuple[Any, ...]
    """As jax has it: a number, or what the free axis makes of it."""
    dtype: str
    name: str = ""
    known: NDArray[Any] | None = None
    narrow: bool = False
    """Whether its sides of 1 are still to be widened to `shape`, which operators by element do by themselves."""


class Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._count = 0
        self._constant_names: dict[int, str] = {}
        self._kept: list[NDArray[Any]] = []
        self.batch = ""
        """The name of the number of images, (1,) int64."""

    def fresh(self) -> str:
        """A name that nothing has."""
        self._count += 1
        return f"v{self._count}"

    def constant(self, value: Any) -> str:
        """The name of an array that is in the file."""
        array = np.asarray(value)
        if id(value) not in self._constant_names or not isinstance(value, np.ndarray):
            name = self.fresh()
            self.constants[name] = array
            if not isinstance(value, np.ndarray):
                return name
            self._constant_names[id(value)] = name
            self._kept.append(value)  # its id stays its own
        return self._constant_names[id(value)]

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Adds a node; returns the name of its result, or of several, comma separated."""
        names = [self.fresh() for _ in range(outputs)]
        self.nodes.append(onnx_file.node(operator, inputs, names, attributes))
        return ",".join(names)

    def name(self, value: Value, *, whole: bool = True) -> str:
        """The name of a value; `whole`, with all its sides as wide as they are."""
        if value.known is not None:
            return self.constant(value.known)
        return self.add("Expand", value.name, self.sides(value.shape)) if value.narrow and whole else value.name

    def sides(self, shape: Sequence[Any]) -> str:
        """A shape as a value of the graph: whole numbers, and the free axis by itself."""
        if all(isinstance(side, int) for side in shape):
            return self.constant(np.array(shape, np.int64))
        pieces = [self.constant(np.array([side], np.int64)) if isinstance(side, int) else self.batch for side in shape]
        if any(not isinstance(side, int) and str(side) != BATCH for side in shape):
            raise RunError(f"a shape {shape} is not the number of images itself, which ONNX cannot be told.")
        return self.add("Concat", *pieces, axis=0)

    def reshaped(self, name: str, shape: Sequence[Any]) -> str:
        """The value with another shape, in which one side may be free."""
        free = sum(not isinstance(side, int) for side in shape)
        if free > 1:
            raise RunError(f"a shape {tuple(shape)} has {free} free sides, and ONNX takes one.")
        sides = [side if isinstance(side, int) else -1 for side in shape]
        return self.add("Reshape", name, self.constant(np.array(sides, np.int64)))


Operator = Callable[[Graph, Any, list[Value]], list[Value]]
"""From a graph, an equation of jax and its inputs to its outputs."""


def known(value: Any) -> Value:
    """An array as a value."""
    array = np.asarray(value)
    return Value(array.shape, array.dtype.name, known=array)
