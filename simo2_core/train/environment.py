"""The machine and the versions that a run meets: what decides its numbers, and what it can use again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
import warnings
from pathlib import Path
from typing import Any

import jax

from simo2_core.cache_folder import cache_folder
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.located import absolute_paths
from simo2_core.model.build import compute_dtype
from simo2_core.processor import features
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error

_PACKAGES = ("simo2", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn")


def keep_compiled_programs() -> None:
    """Makes jax keep what it compiles in the user's cache folder, unless the user has chosen a place for it.

    Each kind of processor has its own: a home folder may be shared by machines that cannot run each other's programs.
    """
    warnings.filterwarnings(
        "ignore", message="Error (reading|writing) persistent compilation cache"
    )  # it compiles anew
    if jax.config.values["jax_compilation_cache_dir"] is None:
        kind = hashlib.sha256((platform.machine() + features()).encode()).hexdigest()[:12]
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("compiled") / kind))  # type: ignore[no-untyped-call]


def environment() -> dict[str, Any]:
    """What a run's `config.json` says of where it ran: Python, packages, device, and the commit of a git checkout."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    device = jax.devices()[0]
    facts = {
        "python": platform.python_version(),
        "packages": versions,
        "device": f"{device.platform} {device.device_kind}",
    }
    commit = _git_commit()
    return {**facts, "git_commit": commit} if commit else facts


def write_settings(run: RunDirectory, config: Config, data: Dataset) -> None:
    """Writes the settings of a run, and beside them what else decides its numbers; raises RunError when it cannot."""
    precision = str(compute_dtype(config.model.precision))
    facts = {**environment(), "precision": precision, "data": data.name, "fingerprint": data.fingerprint}
    facts["paths"] = absolute_paths(config)
    try:
        run.write_config(config, facts)
    except OSError as error:
        raise disk_error("writing", run.config_path, error) from error


def _git_commit() -> str | None:
    """The commit of the checkout that this code runs from; None when it is installed, or git is absent."""
    root = Path(__file__).parents[2]
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--show-toplevel", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = found.stdout.split()
    return lines[1] if len(lines) == 2 and Path(lines[0]) == root.resolve() else None
