"""Embeddings read back by the tools that they are written for."""

import io
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simo2_core.errors import ConfigError, RunError
from simo2_core.export.embeddings import EmbeddedImage, Embeddings, write_embeddings

CLASSES = ("cat", "dog\twith a tab", "<bird>")


@pytest.fixture
def made() -> Embeddings:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 5, 7, 1), dtype=np.uint8)
    rows = [EmbeddedImage(f"a/{i}.png", "train" if i < 5 else "test", i % 3) for i in range(7)]
    return Embeddings(
        rows,
        rng.normal(size=(7, 6)).astype(np.float32),
        rng.normal(size=(7, 4)).astype(np.float32),
        CLASSES,
        {"run": "one", "step": 9, "fingerprint": "f00"},
        ((images, np.arange(5)), (images, np.array([11, 6]))),
    )


def test_numpy(made: Embeddings, tmp_path: Path) -> None:
    assert write_embeddings(tmp_path / "new" / "e.npz", made) == [tmp_path / "new" / "e.npz"]
    with np.load(tmp_path / "new" / "e.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["representation"], made.representation)
        np.testing.assert_array_equal(file["projection"], made.projection)
        assert (file["label"].dtype, file["label"].tolist()) == (np.int32, [0, 1, 2, 0, 1, 2, 0])
        assert (file["id"][6], file["part"].tolist()) == ("a/6.png", ["train"] * 5 + ["test"] * 2)
        assert tuple(file["class_names"]) == CLASSES
        assert json.loads(str(file["facts"])) == made.facts


def test_parquet(made: Embeddings, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_embeddings(tmp_path / "e.parquet", made)
    table = pq.read_table(tmp_path / "e.parquet")
    assert table.column_names == [
        "id", "part", "label", "class", "representation", "projection", "x", "y", "neighbors", "image",
    ]  # fmt: skip
    np.testing.assert_array_equal(np.stack(table["representation"].to_pylist()), made.representation)
    np.testing.assert_array_equal(np.stack(table["projection"].to_numpy(zero_copy_only=False)), made.projection)
    assert table.slice(4, 1).select(["id", "part", "label", "class"]).to_pylist() == [
        {"id": "a/4.png", "part": "train", "label": 1, "class": CLASSES[1]}
    ]
    assert json.loads(table.schema.metadata[b"simo2"]) == made.facts | {"xy": "t-SNE of the representation"}
    images, rows = made.images[1]
    shown = Image.open(io.BytesIO(table["image"][5].as_py()["bytes"]))
    np.testing.assert_array_equal(np.asarray(shown), images[rows[0], ..., 0])


def test_the_projector_of_tensorboard(made: Embeddings, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.plugins.base_plugin import TBContext
        from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
        from werkzeug.test import Client
    write_embeddings(tmp_path / "board", made)
    apps = ProjectorPlugin(TBContext(logdir=str(tmp_path / "board"))).get_plugin_apps()

    def ask(route: str, name: str = "") -> bytes:
        answer = Client(apps[route]).get("/", query_string={"run": ".", "name": name})
        assert answer.status_code == 200, answer.text
        data: bytes = answer.data
        return data

    shown = json.loads(ask("/info"))["embeddings"]
    assert [item["tensorName"] for item in shown] == ["projection", "representation"]
    assert shown[0]["sprite"]["singleImageDim"] == [7, 5]
    for name, matrix in (("projection", made.projection), ("representation", made.representation)):
        read = np.frombuffer(ask("/tensor", name), np.float32).reshape(matrix.shape)
        np.testing.assert_allclose(read, matrix, rtol=1e-6)
    header, *lines = ask("/metadata", "projection").decode().splitlines()
    assert header.split("\t") == ["class", "part", "id"]
    assert [line.split("\t") for line in lines][1] == ["dog with a tab", "train", "a/1.png"]
    sheet = np.asarray(Image.open(io.BytesIO(ask("/sprite_image", "projection"))))
    images, rows = made.images[1]
    assert sheet.shape == (15, 21, 3), "as many across as down: 3 × 3 thumbnails for 7 images"
    np.testing.assert_array_equal(sheet[5:10, 14:21, 0], images[rows[0], ..., 0], err_msg="image 5, row 1, column 2")


def test_what_cannot_be_written_is_one_line(made: Embeddings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(".csv; it must end in .npz or .parquet")):
        write_embeddings(tmp_path / "e.csv", made)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"which is no folder\. Name a folder"):
        write_embeddings(tmp_path / "file", made)
    with pytest.raises(RunError, match="with --out"):
        write_embeddings(tmp_path / "file" / "e.npz", made)
