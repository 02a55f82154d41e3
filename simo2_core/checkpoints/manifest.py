"""What a checkpoint held when it was saved: the size and SHA-256 of each file, so that damage has a name.

The manifest is written into orbax's temporary folder before its rename, so a checkpoint under its final name has one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from simo2_core.errors import CheckpointError
from simo2_core.run.files import sync_folder, write_whole

NAME = "manifest.json"

SCORE = "score.json"
"""The score of a checkpoint that was saved before it was evaluated: a number, written later."""

_LEFT_OUT = frozenset({NAME, SCORE, "_CHECKPOINT_METADATA", "commit_success.txt"})
"""What is written after the manifest is made: the score, and what orbax has for itself and nobody reads here."""


def write_manifest(checkpoint: Path) -> None:
    """Reads every file of a checkpoint back and writes down what it held; raises OSError when the disk refuses.

    All of it then survives a power cut; orbax leaves its metadata to the system, which takes half a minute.
    """
    for folder in (checkpoint, *(path for path in checkpoint.rglob("*") if path.is_dir())):
        sync_folder(folder)
    files = {name: _digest(checkpoint / name, sync=True) for name in _names(checkpoint)}
    body = {"files": files, "sha256": _digest_of(files)}
    write_whole(checkpoint / NAME, json.dumps(body, indent=1).encode())


def verify(checkpoint: Path) -> None:
    """Returns when every file is as it was saved.

    Raises:
        CheckpointError: names the first file that is missing, cut short, changed or added.
    """
    wanted = _read(checkpoint)
    try:
        found = set(_names(checkpoint))
        for name in sorted(found ^ set(wanted)):
            side = "was not there when it was saved" if name in found else "is missing"
            raise CheckpointError(f"{checkpoint} is damaged: {name} {side}.")
        for name, (size, digest) in wanted.items():
            now = (checkpoint / name).stat().st_size
            if now != size:
                raise CheckpointError(f"{checkpoint} is damaged: {name} has {now} bytes, it was saved with {size}.")
            if _digest(checkpoint / name)[1] != digest:
                raise CheckpointError(f"{checkpoint} is damaged: {name} has changed since it was saved.")
    except OSError as error:
        raise CheckpointError(f"{checkpoint} cannot be read: {error.strerror or error}.") from None


def identity(checkpoint: Path) -> str:
    """Changes whenever what was saved does; raises CheckpointError when the manifest is missing or damaged."""
    return _digest_of(_read(checkpoint))


def _read(checkpoint: Path) -> dict[str, tuple[int, str]]:
    path = checkpoint / NAME
    try:
        body = json.loads(path.read_bytes())
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in body["files"].items()}
        whole = body["sha256"] == _digest_of(files)
    except FileNotFoundError:
        raise CheckpointError(f"{checkpoint} was not saved to its end: it has no {NAME}.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        whole = False
    if not whole:
        raise CheckpointError(f"{checkpoint} is damaged: {NAME} cannot be read or has changed.")
    return files


def _names(checkpoint: Path) -> Iterator[str]:
    for path in sorted(checkpoint.rglob("*")):
        half_written = path.name.startswith(f".{SCORE}.")
        if path.name not in _LEFT_OUT and not half_written and not path.is_dir():
            yield path.relative_to(checkpoint).as_posix()


def _digest(path: Path, *, sync: bool = False) -> tuple[int, str]:
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _digest_of(files: dict[str, tuple[int, str]]) -> str:
    return hashlib.sha256(json.dumps(sorted((name, *item) for name, item in files.items())).encode()).hexdigest()
