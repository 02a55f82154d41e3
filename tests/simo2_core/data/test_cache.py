"""Decoded once, whole or absent, and never trusted when damaged."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simo2_core.data import build, upkeep
from simo2_core.data.cache import NoRoom, cache_root, open_entry
from simo2_core.data.load import load_dataset
from simo2_core.data.on_demand import OnDemandImages
from simo2_core.data.progress import Progress, silent
from simo2_core.data.upkeep import clear, list_entries, require_room
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture


def decoded(data_config: object) -> int:
    """How many images a load decodes."""
    seen: list[Progress] = []
    load_dataset(data_config, report=seen.append)  # type: ignore[arg-type]
    return sum(item.total for item in seen if item.stage == "decode" and item.done == 0)


def test_the_second_load_maps_and_agrees_with_the_first(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    first = load_dataset(config(root))
    assert decoded(config(root)) == 0
    second = load_dataset(config(root))
    assert isinstance(second.train.images, np.memmap)
    assert not second.train.images.flags.writeable
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.mean, second.mean)


@pytest.mark.parametrize("change", [{"image_size": 8}, {"channels": 1}, {"resize": "pad"}, {"split_seed": 1}])
def test_what_decides_the_bytes_decides_the_entry(make_folder: MakeFolder, change: dict[str, object]) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    assert decoded(config(root, **change)) == 10


def test_another_cut_reuses_the_entry_with_its_own_statistics(make_folder: MakeFolder) -> None:
    root = make_folder(count=10)
    first = load_dataset(config(root))
    other = dataclasses.replace(config(root), validation_fraction=0.4)
    assert decoded(other) == 0
    assert not np.array_equal(load_dataset(other).mean, first.mean)
    pixels = load_dataset(other).train.gather() / 255
    np.testing.assert_allclose(load_dataset(other).mean, pixels.mean((0, 1, 2)), rtol=1e-6)


def test_a_changed_added_or_removed_file_rebuilds(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    (root / "cat" / "0.png").write_bytes(encoded(picture(999)))
    assert decoded(config(root)) == 10
    (root / "cat" / "new.png").write_bytes(encoded(picture(998)))
    assert decoded(config(root)) == 11
    (root / "cat" / "new.png").unlink()
    (root / "cat" / "1.png").unlink()
    assert decoded(config(root)) == 9
    os.utime(root / "cat" / "2.png", ns=(1, 1))
    assert decoded(config(root)) == 9
    assert decoded(config(root)) == 0


def flip_a_byte(entry: Path) -> None:
    with (entry / "images.npy").open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        byte = file.read(1)
        file.seek(-5, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))


def cut_short(entry: Path) -> None:
    with (entry / "images.npy").open("r+b") as file:
        file.truncate(500)


DAMAGE = {
    "flipped byte": flip_a_byte,
    "truncated": cut_short,
    "no images": lambda entry: (entry / "images.npy").unlink(),
    "no facts": lambda entry: (entry / "entry.json").unlink(),
    "torn facts": lambda entry: (entry / "entry.json").write_text('{"coun'),
    "wrong facts": lambda entry: (entry / "entry.json").write_text('{"bytes": 1}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_rebuilt(make_folder: MakeFolder, damage: object) -> None:
    root = make_folder(count=5)
    sound = load_dataset(config(root))
    pixels = np.array(sound.train.images)
    (entry,) = list_entries()
    damage(entry)  # type: ignore[operator]
    assert decoded(config(root)) == 10
    again = load_dataset(config(root))
    assert again.fingerprint == sound.fingerprint
    np.testing.assert_array_equal(again.train.images, pixels)


def test_a_flipped_byte_that_keeps_its_time_is_found_by_looking_at_the_whole(make_folder: MakeFolder) -> None:
    load_dataset(config(make_folder(count=5)))
    (entry,) = list_entries()
    stat = (entry / "images.npy").stat()
    flip_a_byte(entry)
    os.utime(entry / "images.npy", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert open_entry(entry) is not None
    assert open_entry(entry, whole=True) is None


def rename_a_class(facts: dict[str, Any]) -> None:
    facts["class_names"][0] = "cow"


def move_an_image(facts: dict[str, Any]) -> None:
    facts["counts"] = [facts["counts"][0] - 1, facts["counts"][1] + 1]


@pytest.mark.parametrize("change", [rename_a_class, move_an_image, lambda facts: facts.pop("digest")])
def test_facts_are_held_against_their_digest(change: Any, make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    (entry,) = list_entries()
    facts = json.loads((entry / "entry.json").read_text())
    change(facts)
    (entry / "entry.json").write_text(json.dumps(facts))
    assert open_entry(entry) is None
    assert load_dataset(config(root)).class_names == ("cat", "dog")


def test_an_entry_from_before_there_were_digests_is_used(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    (entry,) = list_entries()
    facts = json.loads((entry / "entry.json").read_text())
    del facts["digest"], facts["content"]
    (entry / "entry.json").write_text(json.dumps(facts))
    (entry / "digests.npy").unlink()
    (entry / "seen.json").unlink()
    assert decoded(config(root)) == 0
    for statistics in entry.glob("train-*.json"):
        statistics.write_text('{"histogram": [[1]]}')
    load_dataset(config(root))


def replace_keeping_size_and_time(file: Path, seed: int) -> None:
    """What `tar x` and `rsync -t` do with a file of the same size."""
    stat, data = file.stat(), encoded(picture(seed))
    file.write_bytes(data + bytes(max(0, stat.st_size - len(data))))
    assert file.stat().st_size == stat.st_size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_images_replaced_by_others_of_the_same_size_and_time_are_noticed(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    for file in root.rglob("*.png"):
        file.write_bytes(file.read_bytes() + bytes(2000 - file.stat().st_size))
    before = load_dataset(config(root))
    replace_keeping_size_and_time(root / "cat" / "0.png", 999)
    assert decoded(config(root)) == 10
    after = load_dataset(config(root))
    assert after.fingerprint != before.fingerprint
    assert len(list_entries()) == 1


def test_files_that_were_only_touched_are_read_again_once_and_not_decoded(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    for file in root.rglob("*.png"):
        file.chmod(0o600)
    seen: list[Progress] = []
    load_dataset(config(root), report=seen.append)
    assert {item.stage for item in seen} == {"verify"}
    seen.clear()
    load_dataset(config(root), report=seen.append)
    assert seen == []


def test_a_copied_cache_is_used_when_its_bytes_are_right(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    (entry,) = list_entries()
    os.utime(entry / "images.npy")
    assert decoded(config(root)) == 0


def test_a_stopped_build_leaves_nothing_and_can_be_repeated(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)

    def stop(progress: Progress) -> None:
        if progress.stage == "decode":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_dataset(config(root), report=stop)
    assert [path.name for path in cache_root().iterdir()] == ["locks"]
    assert decoded(config(root)) == 10


def test_a_killed_build_is_swept_away_by_the_next(make_folder: MakeFolder) -> None:
    root = make_folder(count=5)
    load_dataset(config(root))
    (entry,) = list_entries()
    left = entry.with_name(f".{entry.name}.12345")
    entry.rename(left)
    load_dataset(config(root))
    assert not left.exists()
    assert list_entries() == [entry]


def test_workers_and_this_process_decode_the_same(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_folder(count=12)
    (root / "dog" / "bad.png").write_bytes(b"bad")
    alone = load_dataset(config(root), workers=0)
    clear()
    monkeypatch.setattr(build, "_TASK", 5)
    crowd = load_dataset(config(root), workers=2)
    assert alone.fingerprint == crowd.fingerprint
    assert alone.skipped == crowd.skipped
    assert len(crowd.skipped) == 1


BUILD = """
import sys
from simo2_core.data_config import DataConfig
from simo2_core.data.load import load_dataset
seen = []
load_dataset(DataConfig(dataset=sys.argv[1]), report=seen.append, workers=0)
print(sum(item.total for item in seen if item.stage == "decode" and item.done == 0))
"""


def test_two_processes_build_an_entry_once(make_folder: MakeFolder) -> None:
    root = make_folder(count=300)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    both = [
        subprocess.Popen([sys.executable, "-c", BUILD, str(root)], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    counts = sorted(int(process.communicate(timeout=60)[0]) for process in both)
    assert counts == [0, 600]
    assert len(list_entries()) == 1


def test_without_room_images_are_decoded_on_demand_and_are_the_same(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(count=10)
    cached = load_dataset(config(root))
    clear()
    monkeypatch.setattr(upkeep, "disk_free", lambda path: 100)
    streamed = load_dataset(config(root), workers=1)
    assert isinstance(streamed.train.images, OnDemandImages)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(streamed, part).gather(), getattr(cached, part).gather())
    np.testing.assert_array_equal(streamed.mean, cached.mean)
    assert list_entries() == []
    with pytest.raises(NoRoom, match=r"needs 7\.7 kB .* 100 bytes free.*SIMO2_CACHE"):
        require_room(root, 7680, silent)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fsync"])
def test_a_disk_that_fills_up_while_decoding_ends_nothing(
    call: str, make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(count=5)
    real = getattr(os, call)
    fine = iter([False] if call == "pwrite" else [])  # the first is that of the header

    def refuse(*arguments: Any) -> Any:
        ours = str(cache_root()) in str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
        return full() if ours and next(fine, True) else real(*arguments)

    monkeypatch.setattr(os, call, refuse)
    seen: list[Progress] = []
    data = load_dataset(config(root), report=seen.append, workers=0)
    assert isinstance(data.train.images, OnDemandImages)
    (said,) = [item.name for item in seen if item.stage == "note"]
    assert "takes no more (No space left on device)" in said
    assert "SIMO2_CACHE" in said
    assert list_entries() == []
    assert [path.name for path in cache_root().iterdir()] == ["locks"]


def test_a_cache_that_cannot_be_written_is_said(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("SIMO2_CACHE", str(tmp_path / "a file" / "cache"))
    with pytest.raises(DataError, match="cannot be written"):
        load_dataset(config(make_folder(count=5)))


def test_clear_removes_by_name_or_all(make_folder: MakeFolder) -> None:
    one, two = make_folder(count=3, root="one"), make_folder(count=3, root="two")
    load_dataset(config(one))
    load_dataset(config(two))
    assert clear((str(one),)).count == 1
    (left,) = list_entries()
    assert json.loads((left / "entry.json").read_text())["key"]["name"] == str(two)
    cleared = clear()
    assert cleared.count == 1
    assert cleared.bytes > 6 * 16 * 16 * 3
    assert list_entries() == []
