"""Where TFDS finds the files that a data set is made of, and where it unpacks them. Runs in the child that prepares.

TFDS looks for files fetched by hand in one folder by their name alone, and takes what it once unpacked of a file of
that name for that of any other. MNIST, Fashion-MNIST and KMNIST call their files alike, so the second of them got the
images of the first. Here every data set has a folder of its own, and what is unpacked is called by its checksum.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MANUAL_FILES = {"imagenet2012": ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")}
"""Archives that nobody may redistribute: the user fetches them after agreeing to their terms."""


def manual_folder(downloads: Path, name: str) -> Path:
    """Where the files of the data set `name` are put by hand."""
    return downloads / "manual" / name


def manual_folders(downloads: Path, name: str) -> tuple[Path, Path]:
    """Where they are looked for: there, and where TFDS itself looks for those of all data sets."""
    return manual_folder(downloads, name), downloads / "manual"


def put_by_hand(downloads: Path, name: str, info: Any) -> Path | None:
    """The file of `info` (name and size, as TFDS knows them) that somebody has put there, or None.

    In the folder that all data sets share, only a file of the right size can be meant.
    """
    if info is None or not info.filename:
        return None
    own, shared = (folder / str(info.filename) for folder in manual_folders(downloads, name))
    if own.is_file():
        return own
    return shared if shared.is_file() and shared.stat().st_size == int(info.size) else None


def route_files(downloads: Path, name: str) -> None:
    """Makes TFDS's download manager look and unpack as this module says."""
    from tensorflow_datasets.core.download import download_manager

    manager = download_manager.DownloadManager

    def found(self: Any, info: Any) -> Any:
        path = put_by_hand(downloads, name, info)
        return None if path is None else type(self._extract_dir)(path)

    manager._get_manually_downloaded_path = found
    manager._extract = _extract_by_checksum()


def _extract_by_checksum() -> Callable[[Any, Any], Any]:
    import promise
    from tensorflow_datasets.core.download import resource as resources

    begun: dict[Path, Any] = {}
    lock = threading.Lock()

    def extract(self: Any, resource: Any) -> Any:
        if not isinstance(resource, resources.Resource):
            resource = resources.Resource(path=resource)
        path, method = resource.path, resource.extract_method
        if method == resources.ExtractMethod.NO_EXTRACT:
            return promise.Promise.resolve(path)
        with Path(path).open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        target = self._extract_dir / f"{method.name}.{checksum}.{path.name}"
        with lock:
            if target not in begun:
                if target.exists():
                    begun[target] = promise.Promise.resolve(target)
                else:
                    begun[target] = self._extractor.extract(path, method, target)
            return begun[target]

    return extract
