import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.checkpoints import checkpoint
from simo2_core.checkpoints.checkpoint import (
    Checkpoints,
    best_step,
    find_checkpoint,
    list_steps,
    load,
    name_leaves,
    read_meta,
    require_same,
)
from simo2_core.child import child_environment
from simo2_core.errors import CheckpointError, ConfigError, RunError

ARRAYS = {"params/a": jnp.arange(6.0).reshape(2, 3), "step": jnp.int32(7), "key": jnp.array([1, 2], jnp.uint32)}


def _save(folder: Path, scores: dict[int, float | None], keep: int = 3) -> None:
    checkpoints = Checkpoints(folder, keep=keep)
    for step, score in scores.items():
        checkpoints.save(step, ARRAYS, {"score": score})
    checkpoints.wait()
    checkpoints.close()


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    _save(tmp_path, {7: 0.5})
    arrays, meta = load(tmp_path / "7")
    assert meta["score"] == 0.5
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_the_newest_and_the_best_are_kept_and_found(tmp_path: Path) -> None:
    _save(tmp_path, {1: 0.1, 2: 0.9, 3: 0.9, 4: 0.2, 5: None, 6: 0.3}, keep=2)
    assert list_steps(tmp_path) == [3, 5, 6]
    assert best_step(tmp_path) == 3
    assert find_checkpoint(tmp_path, "latest").name == "6"
    assert find_checkpoint(tmp_path, "best").name == "3"
    assert find_checkpoint(tmp_path, "5").name == "5"
    with pytest.raises(CheckpointError, match="it has 3, 5, 6"):
        find_checkpoint(tmp_path, "4")


def test_a_score_that_comes_later_counts_and_is_no_damage(tmp_path: Path) -> None:
    _save(tmp_path, {1: 0.1, 2: None})
    checkpoints = Checkpoints(tmp_path)
    checkpoints.give_score(2, 0.7)
    checkpoints.close()
    assert best_step(tmp_path) == 2
    (tmp_path / "2" / ".score.json.x7").write_text("0.")  # what a kill in the middle of writing it leaves
    assert load(tmp_path / "2")[1]["score"] is None
    for text in ("", "nonsense", "NaN", "[1]", "[" * 100_000):
        (tmp_path / "2" / "score.json").write_text(text)
        assert best_step(tmp_path) == 1


def test_folders_with_strange_names_are_no_checkpoints(tmp_path: Path) -> None:
    _save(tmp_path, {7: 0.1})
    for name in ("²", "٧", "007", "-1", "7.damaged", "best"):
        (tmp_path / name).mkdir()
    assert list_steps(tmp_path) == [7]
    with pytest.raises(CheckpointError, match="it has 7"):
        find_checkpoint(tmp_path, "²")


def test_what_is_saved_is_on_the_disk_before_an_older_one_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync = os.fsync

    def sync(descriptor: int) -> None:
        order.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    checkpoints = Checkpoints(tmp_path, keep=1)
    monkeypatch.setattr(checkpoints._manager, "delete", lambda step: order.append(f"delete {step}"))
    for step in (1, 2):
        checkpoints.save(step, ARRAYS, {})
        checkpoints.wait()
    checkpoints.close()
    synced = order[: order.index("delete 1")]
    assert synced[-1] == str(tmp_path), "its name"
    files = [
        path for path in (tmp_path / "2").rglob("*") if path.name not in ("_CHECKPOINT_METADATA", "commit_success.txt")
    ]
    for path in (path for path in files if path.name != "manifest.json"):
        inside = path.relative_to(tmp_path / "2").as_posix()
        assert any(name.endswith(f"/{inside}") for name in synced if "/2" in name), inside


def test_no_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        find_checkpoint(tmp_path)


def test_an_unfinished_save_is_not_seen(tmp_path: Path) -> None:
    _save(tmp_path, {1: 0.1})
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    assert list_steps(tmp_path) == [1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', "{}"])
def test_damaged_or_newer_meta_is_refused(tmp_path: Path, text: str) -> None:
    _save(tmp_path, {1: 0.1})
    (tmp_path / "1" / "meta" / "metadata").write_text(text)
    with pytest.raises(RunError, match="1 "):
        read_meta(tmp_path / "1")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # orbax drops its readers unawaited
def test_a_missing_part_is_a_checkpoint_error(tmp_path: Path) -> None:
    _save(tmp_path, {1: 0.1})
    for path in (tmp_path / "1" / "state").rglob("*"):
        if path.is_file() and path.name != "_METADATA":
            path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path / "1")
    gc.collect()


def test_nothing_is_dropped_or_reshaped_in_silence() -> None:
    here = Path("runs/x/checkpoints/1")
    require_same(ARRAYS, ARRAYS, here)
    with pytest.raises(CheckpointError, match="lacks the array 'step'"):
        require_same({k: v for k, v in ARRAYS.items() if k != "step"}, ARRAYS, here)
    with pytest.raises(CheckpointError, match="has the array 'extra'"):
        require_same({**ARRAYS, "extra": jnp.zeros(1)}, ARRAYS, here)
    with pytest.raises(CheckpointError, match=r"params/a.*float32\[2, 3\]"):
        require_same({**ARRAYS, "params/a": jnp.zeros((3, 2))}, ARRAYS, here)


def test_leaves_are_named_by_their_path() -> None:
    assert set(name_leaves({"a": [1, 2], "b": {"c": 3}})) == {"a/0", "a/1", "b/c"}


def test_a_full_disk_is_told_with_the_bytes_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(CheckpointError, match=r"needs 1\.0 MB and the disk of .* has 10 bytes free"):
        checkpoints.save(1, ARRAYS, {})
    checkpoints.close()
    assert list_steps(tmp_path) == []


def test_a_file_in_the_place_of_the_folder_is_moved_aside_and_the_state_saved(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, ARRAYS, {})
    checkpoints.wait()
    shutil.rmtree(folder)
    folder.write_text("mine")
    checkpoints.save(2, ARRAYS, {})
    checkpoints.wait()
    checkpoints.close()
    assert list_steps(folder) == [2]
    assert load(folder / "2")[0].keys() == ARRAYS.keys()
    [aside] = tmp_path.glob("checkpoints.not-a-folder-*")
    assert aside.read_text() == "mine"


def test_files_that_end_after_their_save_or_load_has_failed_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: printed.append(unraisable.exc_value))
    checkpoint._mute_late_files.__wrapped__()
    closed, other = RuntimeError("Event loop is closed"), RuntimeError("something else")
    for error in (closed, other, None):
        sys.unraisablehook(SimpleNamespace(exc_value=error))  # type: ignore[arg-type]
    assert printed == [other, None]


def test_a_kind_of_device_that_is_not_there_is_one_line_wherever_a_checkpoint_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simo2_core.evaluation.restore import load_encoder, untrained_encoder

    def missing() -> None:
        raise AssertionError

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr("jax.devices", missing)
    for reads in (load, load_encoder, untrained_encoder):
        with pytest.raises(ConfigError, match="JAX_PLATFORMS is 'cuda', and jax finds no such device"):
            reads(tmp_path / "5")


NO_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int flock(int file, int what) { errno = ENOLCK; return -1; }
static int control(int file, int what, void *with) {
  static int (*usual)(int, int, ...);
  if (what == F_SETLK || what == F_SETLKW || what == F_OFD_SETLK || what == F_OFD_SETLKW) { errno = ENOLCK; return -1; }
  if (!usual) usual = dlsym(RTLD_NEXT, "fcntl64");
  return usual(file, what, with);
}
#define CONTROL(name) int name(int file, int what, ...) { \\
  va_list rest; va_start(rest, what); void *with = va_arg(rest, void *); va_end(rest); \\
  return control(file, what, with); }
CONTROL(fcntl)
CONTROL(fcntl64)
"""

SAVE = """
import sys
from pathlib import Path
import numpy as np
from simo2_core.checkpoints.checkpoint import Checkpoints, load
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save(4, {"params/w": np.arange(3)}, {"score": None})
checkpoints.wait()
print(load(Path(sys.argv[1]) / "4")[0]["params/w"].sum())
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler to make a file system without locks with")
def test_a_checkpoint_is_saved_where_the_file_system_has_no_locks(tmp_path: Path) -> None:
    (tmp_path / "none.c").write_text(NO_LOCKS)
    library = str(tmp_path / "none.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, str(tmp_path / "none.c"), "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", SAVE, str(tmp_path / "checkpoints")],
        env=child_environment(LD_PRELOAD=library),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "3\n"
