"""A table of doubted images is a data set of the same images."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from simo2_core.analysis.duplicates import Pair
from simo2_core.analysis.label_errors import LabelDoubts
from simo2_core.clean.find import Findings
from simo2_core.clean.table import SUFFIXES, can_be_read_back, require_new_table, write_table
from simo2_core.data.sources.open import open_source
from simo2_core.data.sources.table import read_columns
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError, RunError
from tests.simo2_core.data.pictures import encoded, picture

NAMES = ["cat/a.png", 'cat/b, "c".png', "dog/é\tü.png", "dog/line\nbreak.png", "cat/0.png", "dog/\r.png"]
LABELS = np.array([0, 0, 1, 1, 0, 1])


@pytest.fixture
def found(tmp_path: Path) -> Findings:
    """The labels of rows 1 and 5 are doubted; 2 and 4 are equal, in two parts and classes; 5 is an outlier."""
    root = tmp_path / "set"
    for place, name in enumerate(NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(picture(place)))
    doubts = LabelDoubts(
        suggested=np.array([1, 1, 0, 0, 1, 0]),
        doubt=np.array([0.1, 0.8, 0.2, 0.3, 0.0, 0.9]),
        doubted=np.array([0, 1, 0, 0, 0, 1], bool),
        agreed=np.array([1, 0, 1, 1, 1, 0], bool),
        unjudged=np.zeros(0, np.int64),
    )
    return Findings(
        data="set", run="one", step=7, class_names=("cat", "dog"), parts=("train", "test"),
        part=np.array([0, 0, 0, 1, 1, 1]), labels=LABELS, names=NAMES, files=[str(root / name) for name in NAMES],
        doubts=doubts, pairs=[Pair(2, 4, 0.995)], outlying=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 2.0]), taught=True,
        pictures=(),
    )  # fmt: skip


def cells(path: Path) -> dict[str, list[object]]:
    if path.suffix != ".parquet":
        return read_columns(path)
    import pyarrow.parquet as pq

    return dict(pq.read_table(path).to_pydict())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_doubted_has_a_row_the_worst_first(found: Findings, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"doubted{suffix}"
    assert write_table(path, found) == 4
    columns = cells(path)
    assert list(columns) == ["path", "label", "split", "suggested", "score", "kind", "duplicate_of"]
    order = [5, 1, 2, 4]
    assert columns["path"] == [f"set/{NAMES[row]}" for row in order]
    assert columns["label"] == ["dog", "cat", "dog", "cat"]
    assert columns["suggested"] == ["cat", "dog", "dog", "cat"], "its own where it is not doubted"
    assert columns["split"] == ["test", "train", "train", "test"]
    assert [float(str(score)) for score in columns["score"]] == [0.9, 0.8, 0.995, 0.995]
    assert columns["kind"] == ["label+outlier", "label", "leak", "leak"]
    assert columns["duplicate_of"] == [None, None, f"set/{NAMES[4]}", f"set/{NAMES[2]}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("label", ["label", "suggested"])
def test_all_images_are_read_back_as_data_with_either_label(
    found: Findings, tmp_path: Path, suffix: str, label: str
) -> None:
    path = tmp_path / f"all{suffix}"
    assert write_table(path, found, every=True) == len(NAMES)
    source = open_source(DataConfig(dataset=str(path), label_key=label))
    wanted = LABELS if label == "label" else np.where([0, 1, 0, 0, 0, 1], 1 - LABELS, LABELS)
    for part, name in enumerate(("train", "test")):
        split = source.split(name)
        assert split.labels.tolist() == wanted[found.part == part].tolist()
        bytes_of = [(tmp_path / "set" / NAMES[row]).read_bytes() for row in np.flatnonzero(found.part == part)]
        assert list(split.records.images()) == bytes_of


def test_what_is_no_file_is_called_by_its_place(found: Findings, tmp_path: Path) -> None:
    places = dataclasses.replace(found, files=None, names=[f"images record {row}" for row in range(6)])
    write_table(tmp_path / "x.jsonl", places)
    first = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
    assert first["id"] == "images record 5"
    assert "path" not in first
    assert not can_be_read_back(tmp_path / "x.jsonl", places)


def test_a_heap_has_no_labels(found: Findings, tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", dataclasses.replace(found, doubts=None), every=True)
    columns = read_columns(tmp_path / "x.csv")
    assert set(columns["label"]) == set(columns["suggested"]) == {None}
    assert columns["score"] == [None, None, "0.995", None, "0.995", "2.0"]


def test_paths_of_images_elsewhere_are_absolute(found: Findings, tmp_path: Path) -> None:
    path = tmp_path / "other" / "x.csv"
    assert can_be_read_back(tmp_path / "x.csv", found)
    assert not can_be_read_back(path, found)
    write_table(path, found)
    assert found.files is not None
    assert read_columns(path)["path"][0] == found.files[5]


def test_a_name_that_is_no_text_is_written_out(found: Findings, tmp_path: Path) -> None:
    assert found.files is not None
    odd = dataclasses.replace(found, files=[*found.files[:5], f"{tmp_path}/set/\udcff.png"])
    for suffix in SUFFIXES:
        write_table(tmp_path / f"x{suffix}", odd)
        assert cells(tmp_path / f"x{suffix}")["path"][0] == "set/\\udcff.png"


def test_nothing_of_a_user_is_written_over_without_being_asked(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    require_new_table(path, overwrite=False)
    for there in (path, tmp_path / "labels.png"):
        there.write_text("mine")
        with pytest.raises(ConfigError, match=f"{re.escape(str(there))} is there already.*--overwrite"):
            require_new_table(path, overwrite=False)
        require_new_table(path, overwrite=True)
        there.unlink()
    for odd, said in (("x.xlsx", r"\.jsonl or \.parquet"), ("x", "it must end in"), (".", "it must end in")):
        with pytest.raises(ConfigError, match=said):
            require_new_table(tmp_path / odd, overwrite=True)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match="which is a folder"):
        require_new_table(tmp_path / "folder.csv", overwrite=True)


def test_a_disk_that_refuses_is_one_line(found: Findings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="with --out"):
        write_table(tmp_path / "file" / "x.csv", found)
    with pytest.raises(ConfigError, match="must end in"):
        write_table(tmp_path / "x.txt", found)
