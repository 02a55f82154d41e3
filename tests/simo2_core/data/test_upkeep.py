"""The cache does not grow without end, whatever lies in it can be cleared, and nothing outside it is touched."""

import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from simo2_core.cache_folder import cache_folder
from simo2_core.data import locks, upkeep
from simo2_core.data.cache import cache_root, open_entry, store_facts
from simo2_core.data.load import load_dataset
from simo2_core.data.placement import disk_free
from simo2_core.data.progress import Progress
from simo2_core.data.sources.tar_index import index_of
from simo2_core.data.upkeep import Cleared, clear, found_out, list_entries, size_limit, stored
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture
from tests.simo2_core.data.sources.written import tar_of


def load(root: Path, **changes: object) -> list[str]:
    """Loads a folder and lets go of it; returns what was told on the way."""
    seen: list[Progress] = []
    load_dataset(config(root, **changes), report=seen.append)
    return [item.name for item in seen if item.stage == "note"]


def names() -> list[str]:
    return sorted(Path(item.dataset).name for item in stored())


def long_unused(days: float, *paths: Path) -> None:
    for path in paths:
        when = time.time() - days * 86_400
        os.utime(path / "entry.json", (when, when))


def test_a_newer_state_of_a_folder_replaces_its_older_one(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load(root)
    load(root, image_size=8)
    (root / "cat" / "0.png").write_bytes(encoded(picture(999)))
    (said,) = load(root)
    assert "since its folder has changed" in said
    assert str(root) in said
    assert len(list_entries()) == 2  # what was decoded to another size stays until it is decoded again
    load(root, image_size=8)
    assert len(list_entries()) == 2


def test_of_another_folder_nothing_is_replaced(make_folder: MakeFolder) -> None:
    load(make_folder(count=5, root="one"))
    assert load(make_folder(count=4, root="two")) == []
    assert names() == ["one", "two"]


def test_what_was_used_longest_ago_makes_room(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (make_folder(count=5, root=name) for name in ("one", "two", "three"))
    load(one)
    load(two)
    by_name = {Path(item.dataset).name: item.path for item in stored()}
    long_unused(3, by_name["one"])
    long_unused(2, by_name["two"])
    load(one)  # used again: now two is the older
    monkeypatch.setenv("SIMO2_CACHE_SIZE", "25kB")  # an entry takes 9
    (said,) = load(three)
    assert "to make room" in said
    assert "two" in said
    assert "2 days ago" in said
    assert names() == ["one", "three"]


def test_what_is_in_use_is_not_removed(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (make_folder(count=5, root=name) for name in ("one", "two"))
    held = load_dataset(config(one))
    monkeypatch.setenv("SIMO2_CACHE_SIZE", "15 kb")
    (said,) = load(two)
    assert "not kept: decoding needs 7.7 kB" in said
    assert "SIMO2_CACHE_SIZE" in said
    assert names() == ["one"]
    del held
    load(two)
    assert names() == ["two"]


def test_entries_of_folders_that_are_gone_go_first_and_in_time_by_themselves(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, old, new, last = (make_folder(count=5, root=name) for name in ("gone", "old", "new", "last"))
    load(old)
    long_unused(5, *list_entries())
    load(gone)
    shutil.rmtree(gone)
    with monkeypatch.context() as patch:
        patch.setenv("SIMO2_CACHE_SIZE", "25kB")
        (said,) = load(new)
    assert "its folder is gone" in said
    assert names() == ["new", "old"]
    shutil.rmtree(old)
    assert load(last) == []  # a disk may only be unplugged
    long_unused(8, *(item.path for item in stored() if item.folder_gone))
    (said,) = load(make_folder(count=5, root="more"))
    assert "its folder is gone" in said
    assert names() == ["last", "more", "new"]


def test_what_was_found_out_of_shards_is_cleared_with_them(tmp_path: Path) -> None:
    for place in ("one/a.tar", "one/b.tar", "two-0.tar", "two-1.tar"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tar_of([("0.png", encoded(picture(0, (8, 8)))), ("0.cls", b"1")]))
        index_of(path, None, None)
    surveys = cache_folder("surveys")
    surveys.mkdir()
    (surveys / "streamed.npz").write_bytes(b"12345")
    assert len(found_out()) == 5
    size = sum(item.bytes for item in found_out((str(tmp_path / "one"),)))
    assert clear((str(tmp_path / "one"),)) == Cleared(0, 2, size, ())
    assert clear((str(tmp_path / "two-{0..7}.tar"),)).found_out == 2
    assert clear((str(tmp_path / "two-1.tar"),)).found_out == 0
    assert clear() == Cleared(0, 1, 5, ())


@pytest.mark.parametrize(
    ("given", "size"), [("50GB", 50e9), ("1.5 tb", 1.5e12), ("500mb", 500e6), ("7", 7), ("3k", 3000)]
)
def test_the_limit_is_read_as_people_write_it(given: str, size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_CACHE_SIZE", given)
    assert size_limit(0) == size


@pytest.mark.parametrize("given", ["much", "-1", "1e400", "GB", "9" * 40, "12 parsecs"])
def test_a_limit_that_is_no_size_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_CACHE_SIZE", given)
    with pytest.raises(DataError, match=r"SIMO2_CACHE_SIZE is .* such as 50GB"):
        size_limit(0)


def test_without_a_limit_the_cache_leaves_room_on_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "disk_free", lambda path: 900)
    assert size_limit(100) == 900
    monkeypatch.setattr(upkeep, "disk_free", lambda path: 10**15)
    assert size_limit(0) == 300e9


def test_there_is_room_for_what_the_limit_leaves_and_what_may_go(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMO2_CACHE_SIZE", "50kB")
    assert upkeep.room() == 50_000
    held = load_dataset(config(make_folder(count=5, root="one")))
    (item,) = stored()
    assert upkeep.room() == 50_000 - item.bytes
    del held
    assert upkeep.room() == 50_000
    monkeypatch.setattr(upkeep, "disk_free", lambda path: 10)
    assert upkeep.room() == 10 + item.bytes


def leave_half_built(make_folder: MakeFolder) -> Path:
    """What a build leaves that was killed."""
    root = make_folder(count=5, root="killed")
    load(root)
    (entry,) = list_entries()
    left = entry.with_name(f".{entry.name}.12345")
    entry.rename(left)
    (left / "entry.json").rename(left / "building.json")
    return left


def test_what_a_killed_build_left_is_seen_and_swept_away_by_any_other(make_folder: MakeFolder) -> None:
    left = leave_half_built(make_folder)
    (item,) = stored()
    assert (item.unfinished, Path(item.dataset).name, item.building) == (True, "killed", False)
    (said,) = load(make_folder(count=5, root="other"))
    assert "left by a build that was killed" in said
    assert not left.exists()


def test_clear_removes_what_a_killed_build_left_but_not_what_is_being_built(make_folder: MakeFolder) -> None:
    left = leave_half_built(make_folder)
    (item,) = stored()
    lock = cache_root() / "locks" / left.name[1:].rpartition(".")[0]
    with locks.lock(lock, lambda: None, lambda _: None):
        cleared = clear()
        assert (cleared.count, left.exists()) == (0, True)
        assert "it is being built" in cleared.kept[0]
    assert clear((item.dataset,)).count == 1
    assert not left.exists()


@pytest.mark.parametrize("what", ["entry", "folder", "images", "facts"])
def test_a_link_is_removed_and_what_it_leads_to_is_left_alone(
    what: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(count=5)
    load(root)
    (entry,) = list_entries()
    target = tmp_path / "precious"
    {"images": entry / "images.npy", "facts": entry / "entry.json"}.get(what, entry).rename(target)
    if what in ("entry", "folder"):
        entry.symlink_to(target)
    else:
        (entry / ("images.npy" if what == "images" else "entry.json")).symlink_to(target)
    before = target.stat()
    assert open_entry(entry) is None
    if what == "folder":  # the next use builds in its place
        load(root)
        assert not entry.is_symlink()
    else:
        assert clear().count == 1
        assert list_entries() == []
    assert target.stat() == before
    assert what not in ("entry", "folder") or {path.name for path in target.iterdir()} >= {"images.npy", "entry.json"}


def test_nothing_is_written_through_a_link(make_folder: MakeFolder, tmp_path: Path) -> None:
    root, target = make_folder(count=5), tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / f".facts.json.{os.getpid()}").symlink_to(target)
    store_facts(tmp_path / "facts.json", {"a": 1})
    load(root)
    (entry,) = list_entries()
    shutil.rmtree(entry)
    (cache_root() / "locks" / entry.name).unlink()
    (cache_root() / "locks" / entry.name).symlink_to(target)
    with pytest.raises(DataError, match="cannot be written"):
        load(root)
    assert target.read_text() == "mine"


def test_what_is_not_of_the_cache_is_not_cleared(make_folder: MakeFolder) -> None:
    load(make_folder(count=3))
    (cache_root() / "my photos").mkdir()
    (cache_root() / "my photos" / "entry.json").write_text("{}")
    (cache_root() / "notes.txt").write_text("mine")
    assert clear().count == 1
    assert sorted(path.name for path in cache_root().iterdir()) == ["locks", "my photos", "notes.txt"]


def test_a_folder_that_is_closed_to_us_is_not_gone(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_folder(count=3)
    load(root)
    (item,) = stored()
    real = Path.stat

    def refuse(path: Path, **options: Any) -> Any:
        if path == root:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    assert not item.folder_gone
    assert disk_free(root) > 0


def test_what_cannot_be_deleted_is_named_and_the_rest_is_deleted(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(make_folder(count=3, root="one"))
    load(make_folder(count=3, root="two"))
    remove = shutil.rmtree

    def refuse(path: Path, **options: Any) -> None:
        if "one" in path.name:
            raise PermissionError(errno.EACCES, "Permission denied")
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    cleared = clear()
    assert cleared.count == 1
    assert "Permission denied" in cleared.kept[0]
    assert names() == ["one"]


def test_a_file_system_without_locks_is_said_once(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "_said", set())
    (said,) = load(make_folder(count=3, root="one"))
    assert "has no locks" in said
    assert load(make_folder(count=3, root="two")) == []
    assert len(list_entries()) == 2
    other = cache_root() / f".{list_entries()[0].name}.1"  # perhaps of a build that goes on elsewhere
    other.mkdir()
    shutil.rmtree(list_entries()[0])
    load(tmp_path / "one")
    assert other.is_dir()
    other.rmdir()
    monkeypatch.setenv("SIMO2_CACHE_SIZE", "8kB")  # what may be in use stays
    load(make_folder(count=3, root="three"))
    assert names() == ["one", "two"]
    assert clear().count == 2


def deep() -> str:
    return "[" * 100_000 + "]" * 100_000


NONSENSE = {
    "a count too large": lambda text: text.replace('"counts": [5, 5]', f'"counts": [{10**30}, 5]'),
    "an infinite count": lambda text: text.replace('"counts": [5, 5]', '"counts": [Infinity, 5]'),
    "a negative count": lambda text: text.replace('"counts": [5, 5]', '"counts": [-5, 15]'),
    "half a count": lambda text: text.replace('"counts": [5, 5]', '"counts": [5.5, 4.5]'),
    "counts of nothing": lambda text: text.replace('"counts": [5, 5]', '"counts": null'),
    "a count with many digits": lambda text: text.replace('"counts": [5, 5]', f'"counts": [{"9" * 5000}, 5]'),
    "brackets without end": lambda _: deep(),
    "brackets in the key": lambda text: text.replace('{"key": {', f'{{"deep": {deep()}, "key": {{'),
    "another kind": lambda _: "[]",
    "a list for a name": lambda text: text.replace('"split": "train"', '"split": ["train"]'),
    "a name that would draw on the terminal": lambda text: text.replace('"split": "train"', '"split": "\\u001b[2J"'),
    "no text": lambda _: "\0\0",
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("change", NONSENSE.values(), ids=NONSENSE)
def test_facts_that_make_no_sense_are_damage_and_can_be_cleared(
    sealed: bool, change: Any, make_folder: MakeFolder
) -> None:
    root = make_folder(count=5)
    load(root)
    (entry,) = list_entries()
    text = (entry / "entry.json").read_text()
    if not sealed:
        text = json.dumps({key: value for key, value in json.loads(text).items() if key not in ("digest", "content")})
    (entry / "entry.json").write_text(change(text))
    assert (entry / "entry.json").read_text() != text
    assert open_entry(entry) is None
    assert [item.path for item in stored()] == [entry]
    load(root)
    assert open_entry(entry) is not None
    (entry / "entry.json").write_text(change(text))
    assert clear().count == 1
