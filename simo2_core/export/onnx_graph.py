"""A function of jax as a graph of ONNX operators, its first axis free.

The function is traced, and each of jax's primitives becomes one operator or a few; what depends on weights alone is
computed here. So any encoder can be written, a stranger's too, as long as it is made of primitives in `onnx_operators`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import export
from jax.extend.core import Literal
from numpy.typing import NDArray

from simo2_core.errors import RunError
from simo2_core.export import onnx_file
from simo2_core.model.conv import as_written

BATCH = "batch"
_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Where a primitive that calls a function has it."""


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


def graph_of(
    function: Callable[[jax.Array], Sequence[jax.Array]],
    image_shape: Sequence[int],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
    description: str,
) -> bytes:
    """The ONNX file of `function`, from uint8 `images` (batch, *image_shape) to `outputs`.

    Raises:
        RunError: it holds an operation that ONNX is not told here; the message names it. Or it is too large.
    """
    from simo2_core.export.onnx_operators import OPERATORS

    (batch,) = export.symbolic_shape(BATCH)
    with as_written():
        traced = jax.make_jaxpr(function)(jax.ShapeDtypeStruct((batch, *image_shape), np.uint8))  # type: ignore[no-untyped-call]
    graph = Graph()
    first = graph.constant(np.array([0], np.int64))
    graph.batch = graph.add("Gather", graph.add("Shape", "images"), first, axis=0)
    images = Value((batch, *image_shape), "uint8", "images")
    found = _walk(graph, traced.jaxpr, [known(value) for value in traced.consts], [images], OPERATORS)
    for value, name in zip(found, outputs, strict=True):
        if str(value.shape[0]) != BATCH:
            raise RunError(f"{name} has not a row for each image, which is not written as ONNX.")
        graph.nodes.append(onnx_file.node("Identity", [graph.name(value)], [name], {}))
    described = [
        onnx_file.described(name, value.dtype, [side if isinstance(side, int) else BATCH for side in value.shape])
        for value, name in zip(found, outputs, strict=True)
    ]
    inputs = [onnx_file.described("images", "uint8", [BATCH, *image_shape])]
    try:
        return onnx_file.model(graph.nodes, graph.constants, inputs, described, metadata, description)
    except OverflowError as error:
        raise RunError(f"the encoder does not fit into an ONNX file: {error}. Use --format torch.") from None


def known(value: Any) -> Value:
    """An array as a value."""
    array = np.asarray(value)
    return Value(array.shape, array.dtype.name, known=array)


def _walk(
    graph: Graph, jaxpr: Any, constants: list[Value], inputs: list[Value], operators: Mapping[str, Operator]
) -> list[Value]:
    values: dict[Any, Value] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

    def read(atom: Any) -> Value:
        if not isinstance(atom, Literal):
            return values[atom]
        aval: Any = atom.aval
        return known(np.asarray(atom.val, aval.dtype))

    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        values.update(zip(equation.outvars, _carried_out(graph, equation, given, operators), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _carried_out(graph: Graph, equation: Any, given: list[Value], operators: Mapping[str, Operator]) -> list[Value]:
    name = equation.primitive.name
    inner = next((equation.params[key] for key in _INNER if key in equation.params), None)
    if inner is not None and name not in operators:
        closed = getattr(inner, "jaxpr", inner)
        return _walk(graph, closed, [known(value) for value in getattr(inner, "consts", ())], given, operators)
    free = any(not isinstance(side, int) for out in equation.outvars for side in out.aval.shape)
    if all(value.known is not None for value in given) and not free:
        made = equation.primitive.bind(*(value.known for value in given), **equation.params)
        return [known(value) for value in (made if equation.primitive.multiple_results else [made])]
    if name not in operators:
        raise RunError(f"the encoder holds {name}, which is not written as ONNX. Use --format simo2.")
    return operators[name](graph, equation, given)
