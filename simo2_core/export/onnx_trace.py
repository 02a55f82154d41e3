"""A function of jax as a graph of ONNX operators, its first axis free.

The function is traced, and each of jax's primitives becomes one operator or a few; what depends on weights alone is
computed here. So any encoder can be written, a stranger's too, as long as it is made of primitives in `onnx_operators`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import export
from jax.extend.core import Literal

from simo2_core.errors import RunError
from simo2_core.export import onnx_file
from simo2_core.export.onnx_graph import BATCH, Graph, Operator, Value, known
from simo2_core.export.onnx_operators import OPERATORS
from simo2_core.model.tracing import as_written

_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Where a primitive that calls a function has it."""


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
