import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.checkpoints.checkpoint import Checkpoints, load
from simo2_core.checkpoints.manifest import NAME, _digest_of, verify, write_manifest
from simo2_core.errors import CheckpointError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoints = Checkpoints(folder)
    checkpoints.save(7, {"params/a": jnp.arange(600.0).reshape(20, 30), "step": jnp.int32(7)}, {"score": 0.5})
    checkpoints.wait()
    checkpoints.close()
    return folder / "7"


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit flipped": _flip,
    "cut to half": _truncate,
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": Path.unlink,
    "another file's bytes": lambda path: path.write_bytes(b"x" * path.stat().st_size),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_any_file_is_found_and_named(saved: Path, tmp_path: Path, damage: str) -> None:
    names = [path.relative_to(saved) for path in saved.rglob("*") if path.is_file()]
    read = [name for name in names if name.name not in ("_CHECKPOINT_METADATA", "commit_success.txt")]
    assert len(read) > 8
    for number, name in enumerate(read):
        copy = shutil.copytree(saved, tmp_path / str(number))
        DAMAGE[damage](copy / name)
        with pytest.raises(CheckpointError) as caught:
            verify(copy)
        assert name.name in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(CheckpointError):
            load(copy)


def test_what_orbax_keeps_for_itself_does_not_matter(saved: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(saved, tmp_path / "copy")
    for name in ("_CHECKPOINT_METADATA", "commit_success.txt"):
        for path in copy.rglob(name):
            path.write_bytes(b"nonsense")
    verify(copy)
    assert load(copy)[0]["params/a"].sum() == 600 * 599 / 2


def test_a_file_that_was_not_saved_is_refused(saved: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "state" / "payload.pkl").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    with pytest.raises(CheckpointError, match=r"payload\.pkl was not there"):
        verify(copy)


@given(st.data())
def test_any_manifest_is_whole_or_a_checkpoint_error(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    good = (saved / NAME).read_bytes()
    start = data.draw(st.integers(0, len(good) - 1))
    bad = good[:start] + data.draw(st.binary(max_size=8)) + good[start + data.draw(st.integers(1, 8)) :]
    copy = tmp_path_factory.mktemp("fuzz")
    for path in (path for path in saved.rglob("*") if path.is_file()):
        (copy / path.relative_to(saved)).parent.mkdir(parents=True, exist_ok=True)
        os.link(path, copy / path.relative_to(saved))
    (copy / NAME).unlink()
    (copy / NAME).write_bytes(bad)
    try:
        verify(copy)
        found = True
    except CheckpointError:
        found = False
    assert not found or b"".join(bad.split()) == b"".join(good.split()), "only white space may differ"


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../etc/passwd", "..", "state/../../8/meta"])
def test_a_name_in_a_manifest_or_of_an_array_that_leads_out_of_a_checkpoint_is_refused(
    saved: Path, tmp_path: Path, name: str
) -> None:
    copy = shutil.copytree(saved, tmp_path / "7")
    body = json.loads((copy / NAME).read_text())
    files = {key: (size, digest) for key, (size, digest) in body["files"].items()} | {name: (1, "0" * 64)}
    (copy / NAME).write_text(json.dumps({"files": files, "sha256": _digest_of(files)}))
    with pytest.raises(CheckpointError, match="is missing"):
        verify(copy)
    tree = copy / "state" / "_METADATA"
    tree.write_text(tree.read_text().replace("params/a", name))
    write_manifest(copy)
    with pytest.raises(CheckpointError, match=r"would lie outside of it|is damaged"):
        load(copy)
