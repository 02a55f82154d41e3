"""Files of one name belong to one data set, and an archive is unpacked into its own place alone."""

import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from simo2_core.data import tfds_without_tf
from simo2_core.data.archives import manual_folder, put_by_hand, route_files

NAME = "train-images-idx3-ubyte.gz"


@pytest.fixture
def route(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`route_files` with what stands for TensorFlow, undone after the test."""
    from tensorflow_datasets.core.download.download_manager import DownloadManager
    from tensorflow_datasets.core.utils import lazy_imports_utils

    for name in ("_extract", "_get_manually_downloaded_path"):
        monkeypatch.setattr(DownloadManager, name, getattr(DownloadManager, name))
    monkeypatch.setitem(lazy_imports_utils.tensorflow.__dict__, "_module", tfds_without_tf._module())
    return route_files


def manager(downloads: Path, name: str, files: dict[str, bytes]) -> Any:
    """TFDS's download manager for a data set that consists of `files`."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.checksums import UrlInfo

    infos = {
        f"https://{name}.invalid/{file}": UrlInfo(
            tfds.core.utils.Size(len(data)), hashlib.sha256(data).hexdigest(), file
        )
        for file, data in files.items()
    }
    return tfds.download.DownloadManager(
        download_dir=downloads, manual_dir=downloads / "manual", dataset_name=name, url_infos=infos
    )


def test_sets_whose_files_have_the_same_names_keep_their_own(route: Any, tmp_path: Path) -> None:
    for name in ("mnist", "fashion_mnist", "kmnist"):
        data = gzip.compress(name.encode())
        folder = manual_folder(tmp_path, name)
        folder.mkdir(parents=True)
        (folder / NAME).write_bytes(data)
        route(tmp_path, name)
        extracted = manager(tmp_path, name, {NAME: data}).download_and_extract(f"https://{name}.invalid/{NAME}")
        assert Path(extracted).read_text() == name


def test_a_file_that_was_replaced_is_unpacked_again(route: Any, tmp_path: Path) -> None:
    route(tmp_path, "mnist")
    folder = manual_folder(tmp_path, "mnist")
    folder.mkdir(parents=True)
    for content in (b"first", b"other"):
        data = gzip.compress(content)
        (folder / NAME).write_bytes(data)
        extracted = manager(tmp_path, "mnist", {NAME: data}).download_and_extract(f"https://mnist.invalid/{NAME}")
        assert Path(extracted).read_bytes() == content


def test_the_shared_folder_serves_whose_size_it_is(tmp_path: Path) -> None:
    from tensorflow_datasets.core.download.checksums import UrlInfo

    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / NAME).write_bytes(b"12345")
    own, other = UrlInfo(5, "0", NAME), UrlInfo(6, "0", NAME)
    assert put_by_hand(tmp_path, "mnist", own) == tmp_path / "manual" / NAME
    assert put_by_hand(tmp_path, "kmnist", other) is None
    assert put_by_hand(tmp_path, "kmnist", None) is None


def hostile_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in ("a/good", "../evil", "a/../../evil", "/tmp/simo2-evil"):
            file.writestr(name, name)
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "../../../evil")
    return buffer.getvalue()


def hostile_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, "../../.."
        file.addfile(link)
        for name in ("a/good", "../evil", "a/../../evil", "/tmp/simo2-evil", "out/evil"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "make"), [("a.zip", hostile_zip), ("a.tar", hostile_tar)])
def test_an_archive_writes_nothing_outside_its_place(name: str, make: Any, route: Any, tmp_path: Path) -> None:
    data, downloads = make(), tmp_path / "shelf" / "downloads"
    route(downloads, "mnist")
    folder = manual_folder(downloads, "mnist")
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    extracted = Path(manager(downloads, "mnist", {name: data}).download_and_extract(f"https://mnist.invalid/{name}"))
    assert (extracted / "a" / "good").read_text() == "a/good"
    outside = [path for path in tmp_path.rglob("*evil*") if not path.is_relative_to(extracted)]
    assert outside == []
    assert not Path("/tmp/simo2-evil").exists()
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
