"""Where simo2 keeps what it can make again: decoded data sets, compiled programs."""

from __future__ import annotations

import os
from pathlib import Path

from simo2_core.errors import ConfigError
from simo2_core.paths import user_path


def cache_folder(kind: str) -> Path:
    """The folder for `kind` of things under `SIMO2_CACHE`, or under the user's cache folder; it may not exist yet.

    Raises:
        ConfigError: this user has no home folder, as a container's that runs under any number.
    """
    given = os.environ.get("SIMO2_CACHE")
    if given:
        return user_path(given).absolute() / kind
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("simo2", appauthor=False)) / kind
    except RuntimeError:
        raise ConfigError("this user has no home folder to keep a cache in. Set SIMO2_CACHE=/a/folder.") from None
