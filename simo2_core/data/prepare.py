"""Prepares a TFDS data set in a child process: what is missing is downloaded, then written as array_record."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simo2_core.child import child_environment, module_command, read_answer
from simo2_core.data.cache import as_notes, cache_root
from simo2_core.data.locks import lock
from simo2_core.data.progress import Progress, Report, silent
from simo2_core.data.sources.prepared import Prepared, TfdsName, data_dirs, find
from simo2_core.errors import DataError

CHILD = tuple(module_command("simo2_core.data.prepare_child"))
"""The command that prepares."""

_GRACE_SECONDS = 10
"""Time for a stopped child to remove what it had half written; its downloads are kept, to go on from."""


def find_or_prepare(text: str, data_dir: str | None, *, report: Report = silent) -> Prepared:
    """The newest version on disk of the TFDS data set `name[/config][:version]` that can be read, else a fresh one.

    Raises:
        DataError: there is no such data set, or it cannot be downloaded or written; nothing half done is left.
    """
    wanted = TfdsName.parse(text)
    found = _newest(wanted, data_dir)
    return found if found is not None else prepare(wanted, data_dir, report=report)


def prepare(
    wanted: TfdsName, data_dir: str | None, *, report: Report = silent, child: Sequence[str] = CHILD
) -> Prepared:
    """Prepares a data set in the first of `data_dirs`, unless another process has just done so.

    Args:
        report: told what is downloaded and written; what it raises stops the child.
        child: the command that prepares.

    Raises:
        DataError: as for `find_or_prepare`.
    """
    folder = data_dirs(data_dir)[0]
    if "~" in folder.parts:
        raise DataError("this user has no home folder to prepare data in. Give --data-dir, or set TFDS_DATA_DIR.")
    name = f"{wanted}:{wanted.version}" if wanted.version else str(wanted)
    locks = cache_root() / "locks"
    held = contextlib.ExitStack()
    try:
        locks.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        waiting = functools.partial(report, Progress(stage="waiting", name=name))
        held.enter_context(lock(locks / f"prepare-{wanted.name}", waiting, as_notes(report)))
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be made: {error.strerror}. Use another --data-dir, or another SIMO2_CACHE."
        ) from None
    with held:
        found = _newest(wanted, data_dir)
        if found is not None:
            return found
        path = _run(child, {"name": name, "data_dir": str(folder)}, name, report)
    for prepared in find(wanted, data_dir):
        if prepared.path == path:
            return prepared
    found = _newest(wanted, data_dir)
    if found is None:
        raise DataError(f"{name} was prepared in {path} but cannot be found there. Check the disk of {folder}.")
    return found


def _newest(wanted: TfdsName, data_dir: str | None) -> Prepared | None:
    return next((prepared for prepared in find(wanted, data_dir) if prepared.readable), None)


def _run(command: Sequence[str], request: dict[str, str], name: str, report: Report) -> Path:
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl+C is the parent's to handle
        )
        try:
            return _listen(child, request, name, report)
        except BrokenPipeError:
            raise _death(child, log) from None
        except _Silent:
            raise _death(child, log) from None
        finally:
            _end(child)


class _Silent(Exception):
    """The child ended without a result."""


def _listen(child: subprocess.Popen[str], request: dict[str, str], name: str, report: Report) -> Path:
    assert child.stdin is not None
    assert child.stdout is not None
    report(Progress(stage="generate", name=name))
    child.stdin.write(json.dumps(request))
    child.stdin.close()
    for line in child.stdout:
        message = read_answer(line)
        if "error" in message:
            raise DataError(str(message["error"]))
        if "path" in message:
            return Path(str(message["path"]))
        with contextlib.suppress(TypeError):  # what the child says besides is no progress
            report(Progress(name=name, **message))
    raise _Silent


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.close()


def _death(child: subprocess.Popen[str], log: Any) -> DataError:
    code = child.wait()
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    why = f"signal {-code}, often too little memory" if code < 0 else f"exit code {code}"
    return DataError(f"the preparing process died ({why}{': ' + lines[-1][:200] if lines else ''}). Try again.")
