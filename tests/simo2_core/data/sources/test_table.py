"""Tables of paths and labels, as people really have them."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.data.load import load_dataset
from simo2_core.data.sources.open import open_source
from simo2_core.data.sources.table import numbers_as_such, read_columns
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import config, encoded, picture


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """30 pictures."""
    folder = tmp_path / "p"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.png").write_bytes(encoded(picture(number, (8, 8))))
    return tmp_path


def test_splits_of_rows_whatever_their_spelling(pictures: Path) -> None:
    splits = ["train"] * 20 + ["val"] * 4 + ["Test"] * 4 + ["odd one"] * 2
    rows = "".join(f"p/{n}.png\t{n % 2}\t{splits[n]}\n" for n in range(30))
    (pictures / "t.tsv").write_text("file_name\tclass\tsplit\n" + rows)
    data = load_dataset(config(pictures / "t.tsv"))
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 20, "validation": 4, "test": 4}
    source = open_source(config(pictures / "t.tsv"))
    assert source.splits == ("train", "validation", "test", "odd one")
    assert source.taken == "paths in 'file_name', labels in 'class', splits in 'split'"
    assert source.split("odd one").records.names() == ["p/28.png", "p/29.png"]


def test_a_file_in_two_splits_is_refused(pictures: Path) -> None:
    rows = [(n, "train") for n in range(20)] + [(n, "test") for n in range(18, 24)]
    (pictures / "t.csv").write_text("path,label,split\n" + "".join(f"p/{n}.png,{n % 2},{s}\n" for n, s in rows))
    with pytest.raises(DataError, match=r"2 images of t.csv are in 'train'.*and in 'test'"):
        load_dataset(config(pictures / "t.csv"))


def test_missing_files_are_counted_and_left_out(pictures: Path) -> None:
    (pictures / "t.csv").write_text("path,label\n" + "".join(f"p/{n}.png,{n % 2}\n" for n in range(32)))
    data = load_dataset(config(pictures / "t.csv"))
    assert [(item.name, item.reason) for item in data.skipped] == [
        (f"p/{n}.png", "cannot be opened: No such file or directory") for n in (30, 31)
    ]
    assert sum(map(len, data.parts.values())) == 30
    with pytest.raises(DataError, match=r"2 files of t\.csv cannot be read"):
        load_dataset(config(pictures / "t.csv", strict=True))


def test_another_file_of_the_same_name_is_noticed(pictures: Path) -> None:
    (pictures / "t.csv").write_text("path,label\n" + "".join(f"p/{n}.png,{n % 2}\n" for n in range(30)))
    before = load_dataset(config(pictures / "t.csv")).fingerprint
    assert load_dataset(config(pictures / "t.csv")).fingerprint == before
    (pictures / "p" / "3.png").write_bytes(encoded(picture(99, (8, 8))))
    assert load_dataset(config(pictures / "t.csv")).fingerprint != before


def test_labels_of_one_column_or_another_or_of_none(pictures: Path) -> None:
    rows = [{"path": f"p/{n}.png", "label": [n % 2, 1], "animal": "ab"[n % 2]} for n in range(30)]
    table = pictures / "t.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"30 of 30 images have several labels \(such as \[0, 1\]\).*--label-key"):
        load_dataset(config(table))
    assert load_dataset(config(table, label_key="animal")).class_names == ("a", "b")
    data = load_dataset(config(table, labels="none"))
    assert (data.class_names, len(data.train)) == (("image",), 22)
    table.write_text("\n".join(json.dumps({"path": row["path"]}) for row in rows))
    with pytest.raises(DataError, match=r"no class, 30 images in all.*--labels none"):
        load_dataset(config(table))
    assert len(load_dataset(config(table, labels="none")).train) == 22


HEAD = "path,label\n"
UNFIT = {
    "no rows": ("t.csv", HEAD, "holds no image: it has no rows"),
    "nothing": ("t.csv", "", "has the columns none; none is called path"),
    "no path": ("t.csv", "a,b\n1,2\n", "has the columns a, b; none is called path. Name one: --image-key COLUMN"),
    "no first line": ("t.csv", "p/1.png,cat\np/2.png,dog\n", "none is called path"),
    "a label less": ("t.csv", HEAD + "p/1.png,1\np/2.png,\n", "1 of 2 images have no label"),
    "floats": (
        "t.csv",
        HEAD + "p/1.png,1.0\np/2.png,0.0\n",
        "2 of 2 labels are neither names nor whole numbers",
    ),
    "nan": ("t.csv", HEAD + "p/1.png,nan\np/2.png,1\n", "labels are neither names nor whole numbers"),
    "negative": ("t.csv", HEAD + "p/1.png,-1\np/2.png,1\n", "1 of 2 labels are below 0"),
    "mixed": ("t.jsonl", '{"path": "a", "label": 1}\n{"path": "b", "label": "x"}', "1 labels are numbers and 1 are"),
    "an object": ("t.jsonl", '{"path": "a", "label": {"x": 1, "y": 2}}', "have several labels"),
    "no text": ("t.jsonl", '{"path": "a", "label": "\\ud800"}', "a text that is no Unicode"),
    "outside": ("t.csv", HEAD + "../x.png,1\n", "leads to ../x.png, which lies outside of the table's folder"),
    "outside by turns": ("t.csv", HEAD + "p/../../x.png,1\n", "lies outside of the table's folder"),
    "absolute": ("t.csv", HEAD + "/etc/hostname,1\n", "leads to /etc/hostname, which lies outside"),
    "an address": ("t.csv", HEAD + "https://host/x.png,1\n", "lies outside of the table's folder"),
    "no path in a row": ("t.jsonl", '{"path": 3, "label": 1}', "row 1 .* has 3 for a path"),
    "a zero byte": ("t.jsonl", '{"path": "a\\u0000b", "label": 1}', "for a path in 'path'"),
    "a path that is no text": ("t.jsonl", '{"path": "\\ud800", "label": 1}', "a path that is no Unicode"),
    "a pipe": ("t.csv", HEAD + "pipe,1\n", "names pipe, which is no file"),
    "a folder": ("t.csv", HEAD + "p,1\n", "names p, which is no file"),
    "a cell too many": ("t.csv", HEAD + "p/1.png,1\np/2.png,1,2\n", "line 3, has 3 cells; the first line has 2"),
    "an open quote": ("t.csv", HEAD + '"p/1.png,1\n', "is damaged"),
    "two of one name": ("t.csv", "path,label,label\n", "two columns of one name"),
    "no object": ("t.jsonl", '{"path": "a"}\n[1]\n', "line 2, is no JSON object"),
    "torn": ("t.jsonl", '{"path": "a"}\n{"path', "line 2, is no JSON object"),
    "deep": ("t.jsonl", "[" * 100_000, "line 1, is no JSON object"),
    "half a split": ("t.csv", "path,label,split\np/1.png,1,train\np/2.png,1,\n", "1 of 2 rows of .* have no split"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_unfit_tables_are_one_line(pictures: Path, what: str) -> None:
    name, text, message = UNFIT[what]
    os.mkfifo(pictures / "pipe")
    (pictures / name).write_text(text)
    with pytest.raises(DataError, match=message) as error:
        open_source(config(pictures / name)).split("train")
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text_and_a_table_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff,1\n")
    with pytest.raises(DataError, match="no text in UTF-8: byte 11 is not"):
        read_columns(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"gone.csv is not there"):
        open_source(config(tmp_path / "gone.csv"))
    (tmp_path / "t.csv").write_bytes("\ufeffpath,label\nä,1\n".encode())
    assert list(read_columns(tmp_path / "t.csv")) == ["path", "label"], "a mark of byte order is no letter of a name"


def test_numbers_of_texts() -> None:
    assert numbers_as_such(["0", "10", None]) == [0, 10, None]
    assert numbers_as_such(["007", "1"]) == ["007", "1"], "a code keeps its zeros"
    assert numbers_as_such(["3", "cat"]) == ["3", "cat"]
    assert numbers_as_such(["1.5", "2"]) == [1.5, 2.0]


@given(st.binary(max_size=60), st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_whatever_a_file_holds_it_is_columns_or_one_line(content: bytes, suffix: str) -> None:
    path = Path(os.environ["SIMO2_CACHE"]).parent / f"t{suffix}"
    path.write_bytes(b"path,label\n" + content)
    try:
        columns = read_columns(path)
    except DataError as error:
        message = str(error)
    else:
        message = ""
        assert len({len(column) for column in columns.values()}) <= 1
    assert "\n" not in message
