"""Where the images of a run lie, whichever folder a later command is typed in."""

from __future__ import annotations

from simo2_core.config import Config
from simo2_core.data.sources.place import is_place
from simo2_core.paths import exists, user_path


def absolute_paths(config: Config) -> dict[str, str]:
    """What the settings have of paths that are not absolute: as typed, to the absolute one."""
    typed = [config.data.dataset] if is_place(config.data.dataset) else []
    if config.data.data_dir is not None:
        typed.append(config.data.data_dir)
    if config.tune.init is not None and exists(user_path(config.tune.init)):  # otherwise it is the name of a run
        typed.append(config.tune.init)
    paths = {path: str(user_path(path).absolute()) for path in typed}
    return {path: absolute for path, absolute in paths.items() if path != absolute}


def absolute(config: Config) -> Config:
    """The settings with every path of theirs absolute."""
    paths = absolute_paths(config)
    names = ("dataset", "data_dir", "init")
    return config.replace({name: paths[config.get(name)] for name in names if config.get(name) in paths})
