"""Files that appear whole, and what no file may take the place of."""

import os
from pathlib import Path

import pytest

from simo2_core.errors import ConfigError, RunError
from simo2_core.run.files import is_replaceable, require_place, write_into, write_whole


def test_a_file_appears_whole_and_another_is_replaced(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        write_into(tmp_path / "new" / "file", content)
        assert (tmp_path / "new" / "file").read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_nothing_takes_the_place_of_a_device_or_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    (link := tmp_path / "link").symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(FileExistsError):
            write_whole(path, b"x")
        with pytest.raises(RunError, match=f"a file is in the way while writing {path}"):
            write_into(path, b"x", option="--out")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
    asked = {"/dev/null": False, "/dev/stdout": False, "/dev/none": False, "/proc/self/x": False, "/dev/shm/x": True}
    assert {path: is_replaceable(Path(path)) for path in asked} == asked
    assert is_replaceable(tmp_path / "new" / "file")


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder/new", "new/below/file"):
        require_place(tmp_path / name, folder=False)
    for name in ("folder", "new", "new/below"):
        require_place(tmp_path / name, folder=True)
    for name, folder, said in (
        ("file", True, "which is no folder"),
        ("pipe", True, "which is no folder"),
        ("folder", False, "is a folder"),
        ("pipe", False, "is no regular file"),
        ("file/x", False, "file is no folder"),
        ("file/x/y", True, "file is no folder"),
    ):
        with pytest.raises(ConfigError, match=f"--out is {tmp_path / name}.*{said}"):
            require_place(tmp_path / name, folder=folder)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ConfigError, match=f"{tmp_path} may not be written to"):
        require_place(tmp_path / "new" / "file", folder=False)
