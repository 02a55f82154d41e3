"""Pickled arrays of numbers, as CIFAR's, read without running what a pickle may ask for.

A pickle is a program. Of all that it can name, six words are understood, and they mean functions of this file: not
even numpy's own are called. The rest is refused, so that a file from anywhere can be looked at.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.damage import DAMAGE
from simo2_core.errors import DataError

_KINDS = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"})
"""The numbers that an array may be of."""


class _Word(NamedTuple):
    """What a pickle names; it can be called, and nothing can be set on it."""

    name: str

    def __call__(self, *args: Any) -> Any:
        if self.name == "_reconstruct":  # numpy makes an empty array, and fills it by its state
            return _Array()
        if self.name == "dtype":
            return _Kind(str(_text(args[0])))
        if self.name == "encode" and args[1:] in ((), ("latin1",), ("latin-1",), ("utf8",), ("utf-8",)):
            return str(args[0]).encode(*args[1:])
        if self.name == "bytes" and not args:
            return b""
        raise pickle.UnpicklingError(f"it calls {self.name}")


class _Array:
    """An array while it is read."""

    __slots__ = ("found",)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        dtype = kind.dtype()
        self.found: NDArray[Any] = np.frombuffer(_bytes(raw), dtype)
        if len(self.found) != math.prod(shape):
            raise pickle.UnpicklingError("an array of another size than it says")
        self.found = self.found.reshape(shape, order="F" if by_columns else "C")


class _Kind:
    """The dtype of an array while it is read."""

    __slots__ = ("name", "order")

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "|"

    def __setstate__(self, state: Any) -> None:
        self.order = str(_text(state[1]))

    def dtype(self) -> np.dtype[Any]:
        """Raises UnpicklingError for one of objects, or of anything but numbers."""
        if self.name not in _KINDS or self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"an array of {self.name[:20]!r}")
        return np.dtype(self.order + self.name)


_WORDS = {
    (module, name): _Word(name)
    for module, name in (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),  # how Python 3 writes bytes for Python 2
        ("__builtin__", "bytes"),
    )
}


class _Reader(pickle._Unpickler):  # the one in C reserves memory for whatever number a damaged file has
    def find_class(self, module: str, name: str) -> Any:
        """What the file names: one of six words, or nothing."""
        if (module, name) not in _WORDS:
            raise pickle.UnpicklingError(f"it names {module[:60]}.{name[:60]}")
        return _WORDS[module, name]


def read_pickle(path: Path) -> Any:
    """What a pickle of numbers, texts, lists, dicts and arrays of numbers holds; bytes are texts in Latin-1.

    Raises:
        DataError: it cannot be read, or asks for more than that.
    """
    try:
        return _finished(_Reader(io.BytesIO(path.read_bytes()), encoding="latin1").load())
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} is a pickle that asks for more than numbers and texts ({error}); it is not run. Save the arrays "
            "with numpy.savez."
        ) from None
    except (*DAMAGE, EOFError, struct.error) as error:
        line = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(f"{path} is no pickle of arrays, or is damaged ({line}). Fetch it again.") from None


def _finished(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.found
    if isinstance(value, dict):
        return {str(_text(key)): _finished(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finished(item) for item in value]
    return _text(value)


def _text(value: Any) -> Any:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _bytes(value: Any) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else bytes(value)
