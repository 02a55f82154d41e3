"""An ONNX file, written as it lies on disk: protocol buffers of a dozen messages, without a library for either.

Fields are numbered as in onnx.proto of ONNX 1.13 (IR version 8, operators of version 18).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IR_VERSION, OPERATORS = 8, 18
LARGEST = 2**31 - 1
"""Bytes of a protocol buffer."""

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float64": 11, "uint32": 12}
"""Numbers of element types, by the name that numpy has for them."""

_VARINT, _LENGTH, _FLOAT = 0, 2, 5
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE, _TEXT_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 2, 3, 7


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A whole number."""
    return _varint(field << 3 | _VARINT) + _varint(value)


def block(field: int, content: bytes | str) -> bytes:
    """Text, bytes, or a message."""
    body = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | _LENGTH) + _varint(len(body)) + body


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]) -> bytes:
    """A NodeProto."""
    parts = [block(1, name) for name in inputs] + [block(2, name) for name in outputs] + [block(4, operator)]
    return b"".join(parts + [block(5, _attribute(name, value)) for name, value in attributes.items()])


def _attribute(name: str, value: Any) -> bytes:
    if isinstance(value, float):
        body, kind = _varint(2 << 3 | _FLOAT) + struct.pack("<f", value), _FLOAT_ATTRIBUTE
    elif isinstance(value, str):
        body, kind = block(4, value), _TEXT_ATTRIBUTE
    elif isinstance(value, int):
        body, kind = number(3, value), _INT_ATTRIBUTE
    else:
        body, kind = b"".join(number(8, int(each)) for each in value), _INTS_ATTRIBUTE
    return block(1, name) + body + number(20, kind)


def tensor(name: str, value: NDArray[Any]) -> bytes:
    """A TensorProto."""
    dims = b"".join(number(1, side) for side in value.shape)
    raw = np.asarray(value, value.dtype.newbyteorder("<"), order="C").tobytes()
    return dims + number(2, TYPES[value.dtype.name]) + block(8, name) + block(9, raw)


def described(name: str, dtype: str, shape: Iterable[int | str]) -> bytes:
    """A ValueInfoProto; a side that is text is free, and called so."""
    sides = b"".join(block(1, number(1, side) if isinstance(side, int) else block(2, side)) for side in shape)
    return block(1, name) + block(2, block(1, number(1, TYPES[dtype]) + block(2, sides)))


def model(
    nodes: Iterable[bytes],
    constants: Mapping[str, NDArray[Any]],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    metadata: Mapping[str, str],
    description: str,
) -> bytes:
    """A ModelProto, whole.

    Raises:
        OverflowError: it is over the 2 GB that such a file can have.
    """
    if sum(value.nbytes for value in constants.values()) > LARGEST - 2**24:
        raise OverflowError("its weights are over 2 GB")
    graph = b"".join(
        [
            *(block(1, each) for each in nodes),
            block(2, "encoder"),
            *(block(5, tensor(name, value)) for name, value in constants.items()),
            *(block(11, each) for each in inputs),
            *(block(12, each) for each in outputs),
        ]
    )
    facts = b"".join(block(14, block(1, name) + block(2, text)) for name, text in metadata.items())
    header = number(1, IR_VERSION) + block(2, "simo2") + block(6, description)
    return header + block(7, graph) + block(8, block(1, "") + number(2, OPERATORS)) + facts
