"""Each of jax's primitives as operators of ONNX.

jax has the channels of an image last (NHWC), ONNX has them second (NCHW): a transposition goes before and after what
looks at neighbours, and who runs the graph removes those that meet.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from simo2_core.errors import RunError
from simo2_core.export.onnx_file import TYPES
from simo2_core.export.onnx_graph import Graph, Operator, Value

_NAMED = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow", "sqrt": "Sqrt",
    "neg": "Neg", "exp": "Exp", "log": "Log", "tanh": "Tanh", "abs": "Abs", "sign": "Sign", "erf": "Erf",
    "logistic": "Sigmoid", "floor": "Floor", "sin": "Sin", "cos": "Cos", "and": "And", "or": "Or", "not": "Not",
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
}  # fmt: skip
"""Those that work by element and have one operator."""


def _shape(equation: Any, index: int = 0) -> tuple[Any, ...]:
    return tuple(equation.outvars[index].aval.shape)


def _made(equation: Any, name: str, *, narrow: bool = False) -> list[Value]:
    aval = equation.outvars[0].aval
    return [Value(tuple(aval.shape), np.dtype(aval.dtype).name, name, narrow=narrow)]


def _by_element(write: Callable[[Graph, Any, list[str]], str]) -> Operator:
    """An operator by element: inputs that are still narrow widen each other."""

    def operator(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
        whole = any(not value.narrow and value.shape == _shape(equation) for value in given)
        names = [graph.name(value, whole=False) for value in given]
        return _made(equation, write(graph, equation, names), narrow=not whole)

    return operator


def _of(operator: str) -> Operator:
    return _by_element(lambda graph, _, names: graph.add(operator, *names))


def _constant_like(graph: Graph, equation: Any, value: float) -> str:
    return graph.constant(np.asarray(value, equation.outvars[0].aval.dtype))


def _power(graph: Graph, equation: Any, names: list[str]) -> str:
    return graph.add("Pow", *names, _constant_like(graph, equation, equation.params["y"]))


def _one_minus_erf(graph: Graph, equation: Any, names: list[str]) -> str:
    return graph.add("Sub", _constant_like(graph, equation, 1), graph.add("Erf", *names))


def _broadcast(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    """A reshape; sides of 1 are widened by whoever needs it."""
    value, shape, dimensions = given[0], _shape(equation), equation.params["broadcast_dimensions"]
    own = dict(zip(dimensions, value.shape, strict=True))
    sides = [own.get(place, 1) for place in range(len(shape))]
    # a side that is still narrow, though jax has it wide, must be widened before it is taken for a whole one
    name = graph.name(value)
    if len(sides) != len(value.shape) or list(value.shape) != sides:
        name = graph.reshaped(name, sides)
    return _made(equation, name, narrow=tuple(sides) != shape)


def _reshape(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    return _made(equation, graph.reshaped(graph.name(given[0]), _shape(equation)))


def _cast(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    to = TYPES[np.dtype(equation.outvars[0].aval.dtype).name]
    return _made(equation, graph.add("Cast", graph.name(given[0], whole=False), to=to), narrow=given[0].narrow)


def _transpose(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    return _made(equation, graph.add("Transpose", graph.name(given[0]), perm=equation.params["permutation"]))


def _concatenate(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    names = [graph.name(value) for value in given]
    return _made(equation, graph.add("Concat", *names, axis=int(equation.params["dimension"])))


def _slice(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    params, sides = equation.params, given[0].shape
    steps = params["strides"] or (1,) * len(sides)
    axes = [
        axis
        for axis, side in enumerate(sides)
        if not (params["start_indices"][axis] == 0 and params["limit_indices"][axis] == side and steps[axis] == 1)
    ]
    if not axes:
        return _made(equation, graph.name(given[0]))
    if any(not isinstance(sides[axis], int) for axis in axes):
        raise RunError("the encoder cuts the images of a batch apart, which is not written as ONNX.")
    cut = [[int(params[key][axis]) for axis in axes] for key in ("start_indices", "limit_indices")]
    numbers = [graph.constant(np.array(each, np.int64)) for each in (*cut, axes, [int(steps[axis]) for axis in axes])]
    return _made(equation, graph.add("Slice", graph.name(given[0]), *numbers))


def _gather(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    """One piece at a place that is known: what jax makes of an index beside a free axis."""
    numbers, sizes, start = equation.params["dimension_numbers"], equation.params["slice_sizes"], given[1].known
    if start is None or start.ndim != 1 or numbers.operand_batching_dims:
        raise RunError("the encoder looks its features up by others (gather), which is not written as ONNX.")
    begin = dict(zip(numbers.start_index_map, start.tolist(), strict=True))
    axes = [axis for axis, side in enumerate(given[0].shape) if sizes[axis] is not side and sizes[axis] != side]
    name = graph.name(given[0])
    if axes:
        first = [begin.get(axis, 0) for axis in axes]
        last = [at + int(sizes[axis]) for at, axis in zip(first, axes, strict=True)]
        name = graph.add("Slice", name, *(graph.constant(np.array(each, np.int64)) for each in (first, last, axes)))
    return _made(equation, graph.reshaped(name, _shape(equation)))


def _split(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    sizes = [int(size) for size in equation.params["sizes"]]
    names = graph.add(
        "Split", graph.name(given[0]), graph.constant(np.array(sizes, np.int64)), outputs=len(sizes),
        axis=int(equation.params["axis"]),
    )  # fmt: skip
    return [Value(_shape(equation, index), given[0].dtype, name) for index, name in enumerate(names.split(","))]


def _pad(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    around = equation.params["padding_config"]
    if any(between for _, _, between in around) or any(min(low, high) < 0 for low, high, _ in around):
        raise RunError("the encoder pads between pixels, which is not written as ONNX.")
    pads = graph.constant(np.array([low for low, _, _ in around] + [high for _, high, _ in around], np.int64))
    return _made(equation, graph.add("Pad", graph.name(given[0]), pads, graph.name(given[1])))


def _reduce(operator: str) -> Operator:
    def write(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
        axes = graph.constant(np.array(equation.params["axes"], np.int64))
        return _made(equation, graph.add(operator, graph.name(given[0]), axes, keepdims=0))

    return write


def _window(operator: str) -> Operator:
    """A window over rows and columns of (n, h, w, c)."""

    def write(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
        params = equation.params
        window, strides, around = (params[key] for key in ("window_dimensions", "window_strides", "padding"))
        dilated = any(side != 1 for key in ("base_dilation", "window_dilation") for side in params[key])
        if len(window) != 4 or window[0] != 1 or window[3] != 1 or dilated:
            raise RunError(f"the encoder has a window of {tuple(window)}, which is not written as ONNX.")
        size = {"kernel_shape": window[1:3], "strides": strides[1:3], "pads": _pads(around[1:3])}
        if operator == "AveragePool":
            size["count_include_pad"] = 1
        first = graph.add("Transpose", graph.name(given[0]), perm=(0, 3, 1, 2))
        pooled = graph.add(operator, first, **size)
        if operator == "AveragePool":  # of a sum, which ONNX has not
            pooled = graph.add("Mul", pooled, _constant_like(graph, equation, math.prod(window)))
        return _made(equation, graph.add("Transpose", pooled, perm=(0, 2, 3, 1)))

    return write


def _pads(around: Any) -> list[int]:
    return [int(low) for low, _ in around] + [int(high) for _, high in around]


def _conv(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    params = equation.params
    numbers = params["dimension_numbers"]
    if any(side != 1 for side in params["lhs_dilation"]) or params["batch_group_count"] != 1:
        raise RunError("the encoder has a transposed convolution, which is not written as ONNX.")
    images = graph.add("Transpose", graph.name(given[0]), perm=numbers.lhs_spec)
    kernel = given[1].known
    if kernel is not None:
        weights = graph.constant(np.ascontiguousarray(kernel.transpose(numbers.rhs_spec)))
    else:
        weights = graph.add("Transpose", graph.name(given[1]), perm=numbers.rhs_spec)
    made = graph.add(
        "Conv", images, weights, strides=params["window_strides"], pads=_pads(params["padding"]),
        dilations=params["rhs_dilation"], group=int(params["feature_group_count"]),
    )  # fmt: skip
    back = np.argsort(numbers.out_spec)
    return _made(equation, graph.add("Transpose", made, perm=[int(axis) for axis in back]))


def _dot(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    ranks = [len(value.shape) for value in given]
    names = [graph.name(value) for value in given]
    if not left_batch and tuple(left) == (ranks[0] - 1,) and tuple(right) == (0,) and ranks[1] == 2:
        return _made(equation, graph.add("MatMul", *names))
    letters = iter(string.ascii_lowercase)
    first = [next(letters) for _ in range(ranks[0])]
    second = [""] * ranks[1]
    for mine, theirs in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        second[theirs] = first[mine]
    second = [letter or next(letters) for letter in second]
    out = [first[axis] for axis in left_batch]
    out += [first[axis] for axis in range(ranks[0]) if axis not in (*left, *left_batch)]
    out += [second[axis] for axis in range(ranks[1]) if axis not in (*right, *right_batch)]
    written = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    return _made(equation, graph.add("Einsum", *names, equation=written))


def _same(graph: Graph, equation: Any, given: list[Value]) -> list[Value]:
    return [given[0]]


OPERATORS: dict[str, Operator] = {
    **{name: _of(operator) for name, operator in _NAMED.items()},
    "ne": _by_element(lambda graph, _, names: graph.add("Not", graph.add("Equal", *names))),
    "rsqrt": _by_element(lambda graph, _, names: graph.add("Reciprocal", graph.add("Sqrt", *names))),
    "square": _by_element(lambda graph, _, names: graph.add("Mul", names[0], names[0])),
    "integer_pow": _by_element(_power),
    "erfc": _by_element(_one_minus_erf),
    "select_n": _by_element(lambda graph, _, names: graph.add("Where", names[0], names[2], names[1])),
    "stop_gradient": _same,
    "copy": _same,
    "copy_p": _same,
    "optimization_barrier": lambda graph, equation, given: given,
    "convert_element_type": _cast,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "slice": _slice,
    "gather": _gather,
    "split": _split,
    "pad": _pad,
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_window_sum": _window("AveragePool"),
    "reduce_window_max": _window("MaxPool"),
    "conv_general_dilated": _conv,
    "dot_general": _dot,
}
"""By the name of the primitive."""
