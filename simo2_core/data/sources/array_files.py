"""Arrays in files: `.npy`, `.npz` and the idx files of MNIST, opened without trusting what their headers say.

What can be mapped is mapped. What has to be unpacked is unpacked once it is known to fit.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.damage import DAMAGE
from simo2_core.data.sources.place import require_memory
from simo2_core.errors import DataError

_ZIP_HEAD = struct.Struct("<26xHH")
"""Of a member's own header: the lengths of its name and of what follows that."""


class NpzArrays(Mapping[str, Any]):
    """The arrays of one `.npz` file by name, each opened when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as file:
                self._members = {item.filename.removesuffix(".npy"): item for item in file.infolist()}
        except (*DAMAGE, zipfile.BadZipFile, RuntimeError) as error:
            raise _damaged(path, error) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Raises DataError for an array of objects, one that is torn, or one that does not fit into memory."""
        member, what = self._members[name], f"{name!r} in {self._path}"
        try:
            with zipfile.ZipFile(self._path) as file, file.open(member) as stream:
                shape, by_columns, dtype, begin = _header(stream, what)
                size = math.prod(shape) * dtype.itemsize
                if begin + size != member.file_size:
                    raise DataError(
                        f"{what} says that it holds {size:,} bytes; there are {member.file_size - begin:,}. Save it "
                        "again with numpy.savez."
                    )
                if member.compress_type == zipfile.ZIP_STORED and size:
                    place = self._place_of(member) + begin
                    order: Any = "F" if by_columns else "C"
                    return np.memmap(self._path, dtype, "r", place, shape, order)
                cure = "Save it with numpy.savez, not compressed: then it is read from the disk."
                require_memory(size, what, cure)
                raw = stream.read(size)
        except (*DAMAGE, zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
            raise _damaged(self._path, error) from None
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if by_columns else "C")

    def _place_of(self, member: zipfile.ZipInfo) -> int:
        with self._path.open("rb") as file:
            file.seek(member.header_offset)
            name, extra = _ZIP_HEAD.unpack(file.read(_ZIP_HEAD.size))
            place = member.header_offset + _ZIP_HEAD.size + name + extra
            if place + member.file_size > self._path.stat().st_size:
                raise ValueError("it is cut off")
        return int(place)


def open_npy(path: Path) -> NDArray[Any]:
    """A `.npy` file, mapped; raises DataError where it is torn, or of objects."""
    try:
        with path.open("rb") as stream:
            shape, by_columns, dtype, begin = _header(stream, str(path))
        size = math.prod(shape) * dtype.itemsize
        there = path.stat().st_size - begin
        if size != there:
            raise DataError(f"{path} says that it holds {size:,} bytes; there are {there:,}. Save it again.")
        if not size:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, "r", begin, shape, "F" if by_columns else "C")
    except DAMAGE as error:
        raise _damaged(path, error) from None


def _header(stream: IO[bytes], what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, dtype, and the bytes of the header itself."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(stream)
    if dtype.hasobject:
        raise DataError(f"{what} is an array of Python objects, which only code could read. Save numbers or texts.")
    if any(length < 0 for length in shape) or dtype.itemsize == 0:
        raise ValueError("a shape that cannot be")
    return tuple(shape), by_columns, dtype, stream.tell()


def open_idx(path: Path) -> NDArray[np.uint8]:
    """An idx file of bytes, packed by gzip or not; raises DataError where it is torn."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            zero, kind, dimensions = struct.unpack(">HBB", stream.read(4))
            if zero or kind != 8 or dimensions not in (1, 3):
                raise DataError(f"{path} is no idx file of bytes, as MNIST's are. Fetch it again.")
            shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions))
            size = math.prod(shape)
            require_memory(size, str(path), "Fetch it again.")
            raw = stream.read(size + 1)
    except (*DAMAGE, EOFError, zlib.error, struct.error) as error:
        raise _damaged(path, error) from None
    if len(raw) != size:
        there = f"{len(raw):,}" if len(raw) < size else "more"
        raise DataError(f"{path} says that it holds {size:,} bytes; there are {there}. Fetch it again.")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _damaged(path: Path, error: BaseException) -> DataError:
    line = " ".join(str(error).split())[:100] or type(error).__name__
    return DataError(f"{path} cannot be read, or is damaged ({line}). Fetch or save it again.")
