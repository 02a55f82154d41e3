"""WebDataset shards: patterns, the index, and what is refused."""

import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.data.load import load_dataset
from simo2_core.data.sources import tar_index
from simo2_core.data.sources.open import claimant, open_source
from simo2_core.data.sources.tar_index import IndexJob, index_of, make_indices
from simo2_core.data.sources.webdataset import expand
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import config, encoded, picture
from tests.simo2_core.data.sources import written

PNG = encoded(picture(0, (8, 8)))


def write(path: Path, *members: tuple[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written.tar_of(members))
    return path


def some(count: int) -> list[tuple[str, bytes]]:
    """Members of samples of two classes."""
    return [
        member
        for number in range(count)
        for member in ((f"{number}.png", encoded(picture(number, (8, 8)))), (f"{number}.cls", b"%d\n" % (number % 2)))
    ]


def test_patterns(tmp_path: Path) -> None:
    assert expand("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand("{train,val}-{0..1}.tar") == ["train-0.tar", "train-1.tar", "val-0.tar", "val-1.tar"]
    for name in ("b-1.tar", "b-0.tar"):
        (tmp_path / name).touch()
    assert expand(f"{tmp_path}/b-*.tar") == [f"{tmp_path}/b-0.tar", f"{tmp_path}/b-1.tar"]
    for pattern, message in {"a-{0}.tar": "braces hold a range", "{0..999999}": "more than 100,000 files"}.items():
        with pytest.raises(DataError, match=message):
            expand(pattern)


def test_splits_of_shards_and_one_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "pets-train-0.tar", *some(30))
    write(tmp_path / "pets-val-0.tar", *some(4))
    data = load_dataset(config(tmp_path))
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 26, "validation": 4, "test": 4}
    pattern = tmp_path / "pets-{train,val}-{0..1}.tar"
    with pytest.raises(DataError, match=r"pets-train-1.tar is not there, nor are 1 more of 4. Give a folder"):
        open_source(config(pattern))
    assert claimant(config(pattern)).name == "webdataset"
    with pytest.raises(DataError, match=r"nothing-.*matches no file"):
        open_source(config(tmp_path / "nothing-*.tar"))
    (tmp_path / "x.tar.gz").touch()
    with pytest.raises(DataError, match=r"is packed, and images are read in any order. Unpack it"):
        open_source(config(tmp_path / "x.tar.gz"))


def test_the_index_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tar", *some(3))
    made = index_of(path, None, None)
    monkeypatch.setattr(tar_index, "_read", None)
    assert index_of(path, None, None) == made
    (place,) = (Path(os.environ["SIMO2_CACHE"]) / "indices").iterdir()
    monkeypatch.undo()
    place.write_text(place.read_text().replace('"0"', '"1"'))
    assert index_of(path, None, None) == made, "one that is damaged is made again"
    write(path, *some(4))
    assert len(index_of(path, None, None).keys) == 4, "one of another state is not used"


def test_many_shards_are_looked_into_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(job: IndexJob, tasks: list[Path], workers: int) -> list[int]:
        asked.append((len(tasks), workers))
        job, tasks = pickle.loads(pickle.dumps((job, tasks)))
        return [job.run(task) for task in tasks]

    monkeypatch.setattr(tar_index, "run_tasks", run)
    monkeypatch.setattr(tar_index, "cpus", lambda: 8)
    paths = [write(tmp_path / f"{number}.tar", *some(3 + number)) for number in range(3)]
    assert list(make_indices(paths[:2], None, None)) == [3, 4]
    monkeypatch.setattr(tar_index, "_WORTH_PROCESSES", 0)
    assert list(make_indices(paths, None, None)) == [5]
    assert list(make_indices(paths, None, "cls")) == [3, 4, 5]
    assert asked == [(2, 0), (1, 0), (3, 8)], "by several where there are several, large, and not known yet"


def test_labels_of_json_and_several_images(tmp_path: Path) -> None:
    members = []
    for number in range(4):
        facts = json.dumps({"label": number % 2, "animal": "ab"[number % 2], "tags": [1, 2]}).encode()
        members += [(f"{number}.left.png", PNG), (f"{number}.right.png", PNG), (f"{number}.json", facts)]
    path = write(tmp_path / "a.tar", *members, ("._9.png", b"x"), ("9.txt", b"no image"))
    with pytest.raises(DataError, match=r"has several images: left.png, right.png. Choose one with --image-key"):
        open_source(config(path))
    source = open_source(config(path, image_key="left.png"))
    assert source.split("train").class_names == ("0", "1")
    assert source.taken == "1 shards, labels in label of json"
    assert [note.message for note in source.notes] == ["not used: 1 samples of a.tar that have no image."]
    assert source.split("train").records.names()[1] == "a.tar/1"
    source = open_source(config(path, image_key="left.png", label_key="animal"))
    assert source.split("train").class_names == ("a", "b")
    with pytest.raises(DataError, match=r"4 of 4 images have several labels \(such as \[1, 2\]\)"):
        open_source(config(path, image_key="left.png", label_key="tags")).split("train")
    assert (
        open_source(config(path, image_key="left.png", label_key="gone", labels="none")).split("train").labels.any()
        == 0
    )


UNFIT = {
    "climbs out": ([("../x.png", PNG)], "holds ../x.png, a path that leads out of it"),
    "is absolute": ([("/x.png", PNG)], "holds /x.png, a path that leads out of it"),
    "two places": ([("a.png", PNG), ("b.png", PNG), ("a.cls", b"1")], "has the key 'a' in two places"),
    "floats": (
        [("a.png", PNG), ("a.cls", b"0.5"), ("b.png", PNG), ("b.cls", b"1")],
        "labels are neither names nor",
    ),
    "negative": ([("a.png", PNG), ("a.cls", b"-1"), ("b.png", PNG), ("b.cls", b"1")], "1 of 2 labels are below 0"),
    "several": ([("a.png", PNG), ("a.cls", b"1 2"), ("b.png", PNG), ("b.cls", b"1")], "1 of 2 images have several"),
    "no label": ([("a.png", PNG), ("b.png", PNG), ("b.cls", b"1")], "1 of 2 images have no label"),
    "no text": ([("a.png", PNG), ("a.cls", b"\xff")], "a label that is no text in UTF-8"),
    "bad JSON": ([("a.png", PNG), ("a.json", b"{")], "is no tar file, or is damaged"),
    "no images": ([("a.txt", b"x")], "holds no image"),
    "no members": ([], "holds no image"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_unfit_shards_are_one_line(tmp_path: Path, what: str) -> None:
    members, message = UNFIT[what]
    path = write(tmp_path / "a.tar", *members)
    with pytest.raises(DataError, match=message) as error:
        open_source(config(path)).split("train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(DataError, match=r"holds a.png, which is a link or no file"):
        open_source(config(tmp_path / "a.tar"))


def test_whatever_is_cut_off_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", *some(2))
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in range(0, end + 512, 128):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="is no tar file, or is damaged") as error:
            index_of(path, None, None)
        assert "\n" not in str(error.value)


def test_a_number_that_is_negative_ends(tmp_path: Path) -> None:
    whole = bytearray(written.tar_of([("a.png", PNG), ("b.png", PNG)]))
    whole[124:136] = b"\xff" * 10 + (-1024 & 0xFFFF).to_bytes(2, "big")  # the size of the first member
    whole[148:156] = b" " * 8
    whole[148:156] = b"%06o\0 " % sum(whole[:512])
    (tmp_path / "a.tar").write_bytes(whole)
    with pytest.raises(DataError, match="is no tar file, or is damaged"):
        index_of(tmp_path / "a.tar", None, None)


WHOLE = written.tar_of([("a.png", b"x" * 700), ("a.cls", b"1"), ("b.png", b"y" * 20)])


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=12))
def test_whatever_a_shard_holds_it_is_an_index_or_one_line(place: int, noise: bytes) -> None:
    path = Path(os.environ["SIMO2_CACHE"]).parent / "a.tar"
    path.write_bytes(WHOLE[:place] + noise + WHOLE[place + len(noise) :])
    try:
        found = index_of(path, None, None)
    except DataError as error:
        message = str(error)
    else:
        message = ""
        assert all(offset + size <= len(WHOLE) for offset, size in zip(found.offsets, found.sizes, strict=True))
    assert "\n" not in message


def test_a_shard_that_is_cut_off_later_costs_its_images_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", *some(30))
    source = open_source(config(path))
    records = source.split("train").records
    path.write_bytes(path.read_bytes()[: 20 * 1024])
    found = list(records.images())
    assert isinstance(found[0], bytes)
    assert str(found[-1]) == "[Errno 5] its shard is cut off"
    path.unlink()
    assert all(isinstance(item, FileNotFoundError) for item in records.heads())
    assert len(list(records.heads())) == 30


def test_the_end_mark_is_needed_but_not_its_padding(tmp_path: Path) -> None:
    buffer = io.BytesIO(written.tar_of(some(1)))
    short = buffer.getvalue().rstrip(b"\0")
    (tmp_path / "a.tar").write_bytes(short + bytes(-len(short) % 512 + 512))
    assert len(index_of(tmp_path / "a.tar", None, None).keys) == 1
