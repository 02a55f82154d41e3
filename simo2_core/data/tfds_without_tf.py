"""Lets TFDS write data sets without TensorFlow: the few functions that its builders call, on plain Python and Pillow.

TFDS reaches TensorFlow through a lazy proxy of its own. `install` fills that proxy, and nothing else: `sys.modules`
is untouched, so no other package can mistake this for TensorFlow. Only for the child process that prepares.
"""

from __future__ import annotations

import glob
import importlib.util
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

import numpy as np
from PIL import Image

from simo2_core.errors import DataError

PROVEN = ("4.9.9", "4.9.10")
"""Versions of TFDS whose builders are known to prepare with this."""

_ERRORS = (
    "AbortedError",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "NotFoundError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "UnimplementedError",
)


def install() -> bool:
    """Fills TFDS's proxy; returns False, having done nothing, when TensorFlow itself is installed.

    Raises:
        DataError: this version of TFDS has no such proxy.
    """
    if importlib.util.find_spec("tensorflow"):
        return False
    import tensorflow_datasets as tfds

    try:
        from tensorflow_datasets.core.features import image_feature
        from tensorflow_datasets.core.utils import lazy_imports_utils

        proxy, encoder, check = (
            lazy_imports_utils.tensorflow,
            image_feature._ImageEncoder,
            image_feature._validate_np_array,
        )
        type(proxy)._module  # noqa: B018 (the cached property that the next line fills)
    except (ImportError, AttributeError):
        raise DataError(
            f"TFDS {tfds.__version__} cannot prepare data sets without TensorFlow here. "
            f"Install tensorflow-datasets=={PROVEN[-1]}, or tensorflow beside it."
        ) from None
    proxy.__dict__["_module"] = _module()

    def encode(self: Any, array: np.ndarray) -> bytes:
        check(array, shape=self.shape, dtype=self.np_dtype)
        return bytes(_encode_jpeg(array) if self.encoding_format == "jpeg" else _encode_png(array))

    encoder._encode_image = encode
    return True


class _Array(np.ndarray):
    """An array that answers to `.numpy()`, as an eager tensor does."""

    def numpy(self) -> np.ndarray:
        return np.asarray(self)


class _Bytes(bytes):
    """Bytes that answer to `.numpy()`."""

    def numpy(self) -> bytes:
        return bytes(self)


def _decode(data: bytes, channels: int = 0, dtype: object = None, **_: object) -> _Array:
    image = Image.open(io.BytesIO(data))
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None:
        mode = image.mode if image.mode in ("L", "RGB", "RGBA") else "RGB"
    pixels = np.asarray(image.convert(mode))
    return (pixels[..., None] if pixels.ndim == 2 else pixels).view(_Array)


def _encode(array: Any, format: str, **options: object) -> _Bytes:
    pixels = np.asarray(array)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, format, **options)
    return _Bytes(buffer.getvalue())


def _encode_png(array: Any, *_: object, **__: object) -> _Bytes:
    return _encode(array, "PNG", compress_level=1)


def _encode_jpeg(array: Any, *_: object, quality: int = 95, **__: object) -> _Bytes:
    return _encode(array, "JPEG", quality=quality)


class _Reopening:
    """A file that can be read on after it was closed, as TensorFlow's can: `np.load` reads an archive on use."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, 0
        self._file = path.open("rb")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._file.closed:
            self._file = self._path.open("rb")
            self._file.seek(self._place)
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def __enter__(self) -> _Reopening:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file until it is read again."""
        if not self._file.closed:
            self._place = self._file.tell()
            self._file.close()


def _open(name: Any, mode: str = "r") -> IO[Any]:
    path = Path(os.fspath(name))
    if mode == "rb":
        return cast("IO[Any]", _Reopening(path))
    return path.open(mode, encoding=None if "b" in mode else "utf-8")


def _walk(top: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    for root, folders, files in os.walk(os.fspath(top)):
        folders.sort()
        yield root, folders, sorted(files)


def _files() -> SimpleNamespace:
    return SimpleNamespace(
        GFile=_open,
        exists=lambda path: Path(os.fspath(path)).exists(),
        isdir=lambda path: Path(os.fspath(path)).is_dir(),
        listdir=lambda path: sorted(entry.name for entry in Path(os.fspath(path)).iterdir()),
        walk=_walk,
        glob=lambda pattern: sorted(glob.glob(os.fspath(pattern))),  # noqa: PTH207 (an absolute pattern)
        makedirs=lambda path: Path(os.fspath(path)).mkdir(parents=True, exist_ok=True),
        remove=lambda path: Path(os.fspath(path)).unlink(),
        rename=lambda source, target, overwrite=False: Path(os.fspath(source)).replace(os.fspath(target)),
        copy=lambda source, target, overwrite=False: shutil.copy(os.fspath(source), os.fspath(target)),
    )


def _module() -> SimpleNamespace:
    root = type("TensorFlowError", (Exception,), {"message": ""})
    return SimpleNamespace(
        __version__="0",
        io=SimpleNamespace(gfile=_files(), encode_jpeg=_encode_jpeg, decode_image=_decode),
        image=SimpleNamespace(
            decode_image=_decode,
            decode_jpeg=_decode,
            decode_png=_decode,
            encode_jpeg=_encode_jpeg,
            encode_png=_encode_png,
        ),
        compat=SimpleNamespace(
            as_text=lambda text: text.decode() if isinstance(text, bytes) else text,
            as_bytes=lambda text: text.encode() if isinstance(text, str) else text,
        ),
        errors=SimpleNamespace(**{name: type(name, (root,), {}) for name in _ERRORS}),
        shape=lambda array: np.asarray(array).shape,
    )
