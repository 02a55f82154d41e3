"""How to get a prepared TFDS data set again that is damaged: as long as its folder is there, it is taken as it is."""

from __future__ import annotations

import shlex
from pathlib import Path


def prepare_anew(shard: str | Path) -> str:
    """What to do about a damaged file `DATA_DIR/NAME[/CONFIG]/VERSION/NAME-SPLIT.…`."""
    folder = Path(shard).parent
    name, above = Path(shard).name.partition("-")[0], folder.parent
    full, root = (name, above.parent) if above.name == name else (f"{name}/{above.name}", above.parent.parent)
    command = f"simo2 data prepare {full} --data-dir {shlex.quote(str(root))}"
    return f"Copy it again, or delete {folder} and run: {command}"
