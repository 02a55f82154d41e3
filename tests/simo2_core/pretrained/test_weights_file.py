"""Files that lie, are torn or hold something else: one line each, before anything is allocated."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from simo2_core.errors import CheckpointError
from simo2_core.pretrained.recognise import read_encoder, recognise
from simo2_core.pretrained.weights_file import WeightsFile

NAME = "timm dinov2"


def header(**arrays: Any) -> bytes:
    text = json.dumps(arrays).encode()
    return struct.pack("<Q", len(text)) + text


def array(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 and no safetensors",
        struct.pack("<Q", 2**62),  # a header longer than any file
        struct.pack("<Q", 100) + b"{}",
        header(a=array([4], 0, 16)),  # its 16 bytes are missing
        header(a=array([2**40, 2**20], 0, 16)) + bytes(16),  # a shape that 16 bytes cannot hold
        header(a=array([2**62, 8], 0, 16)) + bytes(16),
        header(a=array([-4], 0, 16)) + bytes(16),
        header(a=array([4], 0, 16), b=array([4], 8, 24)) + bytes(24),  # two that overlap
        header(a=array([4], 0, 16, "F33")) + bytes(16),
        struct.pack("<Q", 12) + b'{"a": [1, 2]}',
        struct.pack("<Q", 6) + b'{"\xff": 1}',
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or no safetensors file: .*\.$") as told:
        WeightsFile(path)
    assert "\n" not in str(told.value)


def test_a_torn_file_is_one_line(weights: Callable[[str], Path]) -> None:
    path = weights(NAME) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        recognise(str(path))


def read(folder: Path) -> dict[str, Any]:
    shapes = {"stem/kernel": (4, 4, 3, 16), "block0/attention/qkv/kernel": (16, 48), "final_norm/norm/bias": (16,)}
    return read_encoder(recognise(str(folder)), shapes)


def changed(folder: Path, **changes: Any) -> Path:
    path = folder / "model.safetensors"
    arrays = load_file(path)
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
    save_file(arrays, path)
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"norm__bias": None}, r"norm\.bias is missing"),
        ({"norm__bias": np.zeros(15, np.float32)}, r"norm\.bias is \[15\] and must be \[16\]"),
        ({"norm__bias": np.zeros(16, np.int32)}, r"norm\.bias is of type I32"),
        ({"norm__bias": np.full(16, np.nan, np.float32)}, r"norm\.bias holds numbers that are not finite"),
        ({"blocks__0__attn__qkv__weight": np.zeros((48, 8), np.float32)}, r"qkv\.weight is \[48, 8\]"),
        ({"norm_pre__weight": np.ones(16, np.float32)}, "holds norm_pre.weight, which no vit_small has"),
        ({"pos_embed": np.zeros((1, 0, 16), np.float32)}, "does not fit"),
        ({"patch_embed__proj__weight": np.zeros((16,), np.float32)}, "does not fit"),
    ],
)
def test_what_does_not_fit_is_named(weights: Callable[[str], Path], changes: dict[str, Any], said: str) -> None:
    folder = changed(weights(NAME), **changes)
    with pytest.raises(CheckpointError, match=said):
        read(folder)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_weights_of_any_float_are_read_as_float32(weights: Callable[[str], Path], dtype: Any) -> None:
    folder = weights(NAME)
    before = load_file(folder / "model.safetensors")["norm.bias"]
    changed(folder, norm__bias=before.astype(dtype))
    found = read(folder)["final_norm/norm/bias"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, before.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ('{"architecture": "resnetblur50"}', "is of resnetblur50 by its config.json"),
        ('{"architectures": ["CLIPModel"]}', "is of CLIPModel"),
        ('{"mean": [0.5]}', "prepares images in a way that cannot be"),
        ('{"std": [0, 1, 1]}', "prepares images in a way that cannot be"),
        ('{"input_size": [3, -1, -1]}', "prepares images in a way that cannot be"),
        ('{"size": "large"}', "prepares images in a way that cannot be"),
        ('{"num_attention_heads": 5}', "does not fit: heads is 5"),
        ("[", "config.json is damaged"),
        ('["a"]', "config.json is damaged"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(weights: Callable[[str], Path], facts: str, said: str) -> None:
    folder = weights(NAME)
    (folder / "config.json").write_text(facts)
    with pytest.raises(CheckpointError, match=said):
        recognise(str(folder))


def test_what_prepares_images_comes_from_the_files_beside(weights: Callable[[str], Path]) -> None:
    folder = weights(NAME)
    found = recognise(str(folder / "model.safetensors"))
    assert (found.size, found.mean[0], found.std[0], found.channels) == (224, 0.485, 0.229, 3)
    (folder / "config.json").write_text(
        json.dumps(
            {
                "architecture": "vit_small_patch14_dinov2",
                "num_attention_heads": 2,
                "pretrained_cfg": {"input_size": [3, 518, 518], "mean": [0.5] * 3, "std": [0.25] * 3},
            }
        )
    )
    found = recognise(str(folder))
    assert (found.size, found.mean, found.std) == (518, (0.5,) * 3, (0.25,) * 3)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.1] * 3, "image_std": [0.2] * 3, "crop_size": {"height": 28, "width": 28}})
    )
    (folder / "config.json").write_text('{"num_attention_heads": 2}')
    found = recognise(str(folder))
    assert (found.size, found.mean, found.std) == (28, (0.1,) * 3, (0.2,) * 3)


def test_names_of_older_transformers_are_read_too(weights: Callable[[str], Path]) -> None:
    folder = weights("transformers dinov2")
    path = folder / "model.safetensors"
    new = recognise(str(folder))
    older = {
        "q_proj": "attention.query",
        "k_proj": "attention.key",
        "v_proj": "attention.value",
        "o_proj": "output.dense",
    }
    renamed = {}
    for name, value in load_file(path).items():
        for now, then in older.items():
            name = name.replace(f".attention.{now}.", f".attention.{then}.")
        renamed[f"dinov2.{name}"] = value
    save_file(renamed, path)
    old = recognise(str(folder))
    assert old.encoder == new.encoder
    assert old.file.shapes == new.file.shapes
