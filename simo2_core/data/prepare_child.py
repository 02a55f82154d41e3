"""The process that prepares a TFDS data set: one JSON request on its standard input, JSON lines on its standard output.

A process of its own, so that the stub for TensorFlow, TFDS's threads and whatever they print stay out of the
console, and so that it can be stopped at any moment. With TensorFlow installed that is used, its GPU hidden.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import json
import os
import re
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from simo2_core.data.archives import MANUAL_FILES, manual_folders, route_files
from simo2_core.data.download import DownloadFailed, Downloads
from simo2_core.data.tfds_without_tf import install
from simo2_core.errors import DataError, did_you_mean

_WHERE = {"imagenet2012": "https://image-net.org/download-images (free account)"}


def main() -> None:
    """Serves one request: `{"name": "cifar10", "data_dir": "…"}`."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # TFDS and TensorFlow print where they like: into the parent's log
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    code = 0
    try:
        request = json.load(sys.stdin)
        path = prepare_here(request["name"], Path(request["data_dir"]), out)
        say(out, path=str(path))
    except DataError as error:
        say(out, error=str(error))
        code = 1
    except SystemExit:
        code = 1
    except BaseException as error:  # the parent says it in one line; the traceback is in its log
        import traceback

        traceback.print_exc()
        say(out, error=f"preparing failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        code = 1
    os._exit(code)  # threads that still download must not hold it up


def say(out: TextIO, **message: Any) -> None:
    """Writes one line to the parent."""
    out.write(json.dumps(message) + "\n")


def prepare_here(name: str, data_dir: Path, out: TextIO) -> Path:
    """Prepares `name` as array_record in this process; returns its folder. Raises DataError in plain words."""
    _raise_open_files()
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    install()
    builder = find_builder(name, data_dir)
    manual = _manual_folder(builder, data_dir / "downloads")
    downloads = Downloads(
        data_dir / "downloads",
        builder.name,
        _url_infos(builder),
        lambda done, total: say(out, stage="download", done=done, total=total, unit="bytes"),
        all_needed=len(builder.builder_configs) < 2,
    )
    route_files(downloads.folder, builder.name)
    _route_downloads(downloads)
    _count_examples(out)
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False, manual_dir=manual),
            file_format="array_record",
        )
    except DownloadFailed as error:
        raise DataError(f"{error} {downloads.by_hand()}") from error
    except DataError:
        raise
    except Exception as error:  # TFDS has no tree of errors to choose from
        raise _in_words(builder, downloads, error) from error
    finally:
        downloads.stopped.set()
    return Path(builder.data_dir)


def find_builder(name: str, data_dir: Path) -> Any:
    """TFDS's builder for `name[/config][:version]`; raises DataError with the nearest names when there is none."""
    import tensorflow_datasets as tfds

    bare, _, rest = name.partition("/")
    config = rest.partition(":")[0]
    known = tfds.list_builders(with_community_datasets=False)
    if bare.partition(":")[0] not in known:
        hint = did_you_mean(bare, ["digits", *known]) or " See the presets with: simo2 data list."
        raise DataError(f"there is no data set {bare!r}, neither a folder of that name nor one that TFDS knows.{hint}")
    if config:
        configs = list(tfds.builder_cls(bare).builder_configs)
        if config not in configs:
            hint = did_you_mean(config, configs) or f" It has {', '.join(configs[:8]) or 'none'}."
            raise DataError(f"{bare} has no config {config!r}.{hint}")
    try:
        with contextlib.redirect_stdout(io.StringIO()), temporary_files_go():  # TFDS prints where TensorFlow is missed
            return tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except Exception as error:  # for example a version that this TFDS cannot generate
        if isinstance(error, ModuleNotFoundError) or "No module named" in str(error):
            raise DataError(
                f"{bare} needs packages that are not installed ({_one_line(error)[-60:]}), as sets of video and sound "
                "do. simo2 trains on labelled images: choose such a set."
            ) from error
        raise DataError(f"TFDS cannot prepare {name}: {_one_line(error)}.") from error


@contextlib.contextmanager
def temporary_files_go() -> Iterator[None]:
    """A place for temporary files that goes with them: TFDS leaves a folder for every builder that is not prepared."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="simo2-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _raise_open_files() -> None:
    """TFDS's shuffler keeps a thousand files open, just as many as most systems allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _url_infos(builder: Any) -> dict[str, Any]:
    try:
        return dict(builder.url_infos or {})
    except Exception:  # a builder of one's own may ship no checksums at all
        return {}


def _manual_folder(builder: Any, downloads: Path) -> Path:
    """Where the files lie that a builder wants to be fetched by hand; raises DataError when they do not."""
    own, shared = manual_folders(downloads, builder.name)
    if builder.name in MANUAL_FILES:
        wanted = MANUAL_FILES[builder.name]
        for folder in (own, shared):
            if all((folder / name).exists() for name in wanted):
                return folder
        folder = max((own, shared), key=lambda folder: sum((folder / name).exists() for name in wanted))
        missing = [name for name in wanted if not (folder / name).exists()]
        raise DataError(
            f"{builder.name} needs {' and '.join(missing)} in {folder}. They may not be passed on, "
            f"so fetch them from {_WHERE[builder.name]}, then run: simo2 data prepare {builder.name}."
        )
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not instructions or (own.is_dir() and any(own.iterdir())):
        return own
    if shared.is_dir() and _of_no_data_set(shared):
        return shared
    raise DataError(f"{builder.name} has to be fetched by hand into {own}: {' '.join(instructions.split())[:400]}")


def _of_no_data_set(shared: Path) -> bool:
    """Whether something lies in the folder that all data sets share, besides the folders of single ones."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    return any(path.name not in known for path in shared.iterdir())


def _route_downloads(downloads: Downloads) -> None:
    from tensorflow_datasets.core.download import checksums, downloader

    original = downloader._Downloader.download
    transfer = downloader._Downloader._sync_download

    def download(self: Any, url: str, destination_path: Any, *args: Any, **kwargs: Any) -> Any:
        downloads.want(url)
        return original(self, url, destination_path, *args, **kwargs)

    def sync_download(self: Any, url: str, destination_path: Any, verify: bool = True) -> Any:
        if not url.startswith("http") or url.startswith("https://drive.google.com/"):
            return transfer(
                self, url, destination_path, verify
            )  # Drive asks for a confirmation that TFDS knows to give
        path = downloads.fetch(url, Path(destination_path))
        info = checksums.compute_url_info(path)
        self._pbar_url.update(1)
        return downloader.DownloadResult(path=type(destination_path)(path), url_info=info)

    downloader._Downloader.download = download
    downloader._Downloader._sync_download = sync_download


def _count_examples(out: TextIO) -> None:
    from tensorflow_datasets.core import writer

    original = writer.Writer.write
    count, told = 0, 0.0

    def write(self: Any, key: Any, example: Any) -> Any:
        nonlocal count, told
        count += 1
        if time.monotonic() - told > 0.2:
            told = time.monotonic()
            say(out, stage="generate", done=count, total=0, unit="images")
        return original(self, key, example)

    writer.Writer.write = write


def _in_words(builder: Any, downloads: Downloads, error: Exception) -> DataError:
    from tensorflow_datasets.core.download import download_manager, extractor

    if isinstance(error, download_manager.NonMatchingChecksumError):
        named = re.search(r"downloaded to (.+?), has wrong checksum", _one_line(error))
        file = named[1] if named else f"a file of {builder.name} in {downloads.folder}"
        return DataError(f"{file} is not the one TFDS knows: its checksum differs. Delete it and fetch it again.")
    reason = _os_error(error)
    if reason in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
        return DataError(f"no room left in {downloads.folder.parent}. Free some space, or use another --data-dir.")
    if reason in (errno.EACCES, errno.EROFS, errno.EPERM):
        return DataError(f"{downloads.folder.parent} cannot be written. Use another folder with --data-dir.")
    broken = (extractor.ExtractError, tarfile.ReadError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError)
    if isinstance(error, broken):
        return DataError(
            f"an archive of {builder.name} in {downloads.folder} is damaged or incomplete ({_one_line(error)}). "
            f"Compare sizes with: simo2 data info {builder.name}; delete it and fetch it again."
        )
    return DataError(f"preparing {builder.name} failed: {type(error).__name__}: {_one_line(error)}.")


def _os_error(error: BaseException | None) -> int | None:
    """The number of the system's error that is at the bottom of `error`, if one is."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


if __name__ == "__main__":
    main()
