"""A safetensors file of another library: its header first, an array when it is wanted.

Nothing in it is run, and nothing is allocated for what its header merely claims: the header is checked against the
length of the file before any array is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  numpy knows bfloat16 by it; comes with jax
import numpy as np
from numpy.typing import NDArray

from simo2_core.errors import CheckpointError
from simo2_core.pretrained.table import WeightEntry

_FLOATS = ("F32", "F16", "BF16", "F64")

_RENAMED = (
    (r"\.attention\.attention\.query\.", ".attention.q_proj."),
    (r"\.attention\.attention\.key\.", ".attention.k_proj."),
    (r"\.attention\.attention\.value\.", ".attention.v_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"^model\.(?=layer\.|norm\.)", ""),
)
"""Names that transformers has changed over time, and the newer ones: files of both are about."""


class WeightsFile:
    """Names, shapes and types of the arrays in a file."""

    def __init__(self, path: Path, prefixes: Sequence[str] = ()) -> None:
        """Reads the header.

        Args:
            prefixes: of names, which are left out, and names that have changed over time are the newer ones; without
                any, names are as they are.

        Raises:
            CheckpointError: it is missing, torn, or its header does not fit it.
        """
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            self._file = safe_open(path, framework="numpy")
            self.metadata: Mapping[str, str] = self._file.metadata() or {}
            """What whoever wrote it says of it."""
            self._stored = {_plain(name, prefixes): name for name in self._file.keys()}  # noqa: SIM118  no mapping
            slices = {name: self._file.get_slice(stored) for name, stored in self._stored.items()}
            self.shapes: Mapping[str, tuple[int, ...]] = {
                name: tuple(part.get_shape()) for name, part in slices.items()
            }
            self._types = {name: str(part.get_dtype()) for name, part in slices.items()}
        except (OSError, SafetensorError, OverflowError, MemoryError, UnicodeError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged or no safetensors file: {_line(error)}.") from None

    def read(self, entry: WeightEntry, ours: Sequence[int]) -> NDArray[np.float32]:
        """An array of ours, of the shape `ours`, from those of a file.

        Raises:
            CheckpointError: one of theirs is missing, or has another shape or type; the message says which.
        """
        expected = entry.shapes(ours)
        theirs = [self._array(name, expected.get(name), entry.absent) for name in entry.theirs]
        read = np.asarray(entry.form.read(theirs), np.float32)
        if read.shape != tuple(ours):
            raise self._unfit(entry.theirs[0], f"makes {list(read.shape)} and not {list(ours)}")
        return np.asarray(read, order="C")  # `ascontiguousarray` makes an array of one number of a number

    def check(self, entry: WeightEntry, ours: Sequence[int]) -> None:
        """What `read` raises, by the header alone."""
        for name, shape in entry.shapes(ours).items():
            if name not in self.shapes:
                if entry.absent is None:
                    raise self._unfit(name, "is missing")
            elif self.shapes[name] != shape:
                raise self._unfit(name, f"is {list(self.shapes[name])} and must be {list(shape)}")
            elif self._types[name] not in _FLOATS:
                raise self._unfit(name, f"is of type {self._types[name]}, and must be one of {', '.join(_FLOATS)}")

    def _array(self, name: str, shape: tuple[int, ...] | None, absent: float | None) -> NDArray[Any]:
        if name not in self.shapes and shape is not None and absent is not None:
            return np.broadcast_to(np.float32(absent), shape)
        found = np.asarray(self._file.get_tensor(self._stored[name])).astype(np.float32)
        if not np.isfinite(found).all():
            raise self._unfit(name, "holds numbers that are not finite")
        return found

    def _unfit(self, name: str, why: str) -> CheckpointError:
        return CheckpointError(f"{self.path} does not fit: {self._stored.get(name, name)} {why}. Use another file.")


def _plain(name: str, prefixes: Sequence[str]) -> str:
    if not prefixes:
        return name
    prefix = next((one for one in prefixes if name.startswith(one)), "")
    name = name.removeprefix(prefix)
    for old, new in _RENAMED:
        name = re.sub(old, new, name)
    return name


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
