"""Every parser of a run's files against bytes that are wrong, and against a stranger's."""

import contextlib
import io
import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simo2_core.analysis import snapshot as core_snapshot
from simo2_core.checkpoints.checkpoint import Checkpoints, load
from simo2_core.commands import Command
from simo2_core.compare.outcome import Outcome
from simo2_core.config import Config
from simo2_core.errors import RunError
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import EventLog
from simo2_core.run.log import rewind
from simo2_tui.session import snapshot as screen_snapshot

CONFIG = PRESETS["digits"].config


def _damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """`good` with bytes flipped, cut off, put in or taken out; or any bytes at all."""

    def change(where: int, many: int, new: bytes) -> bytes:
        return good[:where] + new + good[where + many :]

    places = st.integers(0, len(good) - 1)
    return st.builds(change, places, st.integers(0, 40), st.binary(max_size=40)) | places.map(lambda n: good[:n])


def _snapshot() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        embedding=np.eye(6, 4, dtype=np.float32),
        labels=np.arange(6, dtype=np.int32) % 3,
        class_names=np.array(["a", "b", "é"]),
        step=np.int64(7),
    )
    return buffer.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory.create(tmp_path_factory.mktemp("runs"), "one", CONFIG, {"fingerprint": "abc"})


@given(st.data())
@settings(max_examples=150)
def test_any_config_file_gives_its_settings_or_a_run_error(run: RunDirectory, data: st.DataObject) -> None:
    good = run.config_path.read_bytes()
    bad = data.draw(_damaged(good))
    run.config_path.write_bytes(bad)
    try:
        found: Config | None = run.config
    except RunError as error:
        found = None
        said = str(error)
        assert "config.json" in said
        assert "\n" not in said
    finally:
        run.config_path.write_bytes(good)
    assert found in (None, CONFIG), "a setting that changed by itself is never trained with"


@given(st.data())
@settings(max_examples=150)
def test_any_snapshot_file_is_read_or_refused(run: RunDirectory, data: st.DataObject) -> None:
    path = run.embeddings / "7.npz"
    path.write_bytes(data.draw(_damaged(_snapshot()) | st.binary()))
    try:
        assert isinstance(core_snapshot.read_snapshot(path), core_snapshot.Snapshot)
    except RunError as error:
        assert str(path) in str(error)  # noqa: PT017
    seen = screen_snapshot.read_snapshot(path)
    assert seen is None or isinstance(seen, screen_snapshot.ShownSnapshot)


def test_a_snapshot_with_a_byte_changed_anywhere_is_read_or_refused(run: RunDirectory) -> None:
    path, noise_nd = run.embeddings / "8.npz", np.random.default_rng(0).normal(size=(24, 4))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        embedding=noise_nd.astype(np.float32),
        labels=np.arange(24) % 3,
        class_names=np.array(["a", "b", "c"]),
        step=np.int64(8),
    )
    good = buffer.getvalue()
    refused = 0
    for place in range(0, len(good), 2):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        try:
            assert np.array_equal(core_snapshot.read_snapshot(path).labels, np.arange(24) % 3)
        except RunError:
            refused += 1
            assert screen_snapshot.read_snapshot(path) is None
    assert refused > len(good) / 4


def test_an_outcome_with_any_byte_changed_is_refused(run: RunDirectory) -> None:
    made = Outcome(arm="a", seed=1, value=0.1, step=3, diverged=False, validation=0.5, seconds=1.0,
                   course=((1, 2.0, 0.3),), scores={"projection": {"knn_20": 0.5}}, class_gram=[[1, None]])  # fmt: skip
    made.write(run.path)
    assert Outcome.read(run.path) == made
    path = run.path / "outcome.json"
    good = path.read_bytes()
    for place in range(len(good)):
        for bad in (good[:place], good[:place] + bytes([good[place] ^ 0x11]) + good[place + 1 :]):
            path.write_bytes(bad)
            with pytest.raises(RunError, match=r"outcome\.json is damaged .*Delete it"):
                Outcome.read(run.path)
    path.unlink()
    assert Outcome.read(run.path) is None


@given(st.lists(st.binary(max_size=60), max_size=8), st.binary(max_size=30), st.integers(0, 9))
def test_any_event_log_can_be_resumed(run: RunDirectory, lines: list[bytes], tail: bytes, step: int) -> None:
    run.events_path.write_bytes(b"\n".join([*lines, tail]))
    rewind(run, step)
    EventLog(run.events_path).close()
    assert list(run.events()) == []


@given(st.lists(st.binary(max_size=80) | st.sampled_from([f'{{"command": "{word}"}}'.encode() for word in Command])))
def test_any_control_files_are_taken_in_order_or_dropped(run: RunDirectory, files: list[bytes]) -> None:
    control = Control(run.control)
    for number, content in enumerate(files):
        (run.control / f"{number:03d}.json").write_bytes(content)
    wanted = [word for content in files for word in Command if content == f'{{"command": "{word}"}}'.encode()]
    assert [command.command for command in control.take()] == wanted
    assert list(run.control.iterdir()) == []


def test_a_pipe_in_the_control_folder_does_not_block_the_trainer(run: RunDirectory) -> None:
    os.mkfifo(run.control / "1.json")
    assert Control(run.control).take() == []


class _Opened:
    """Unpickling it would be seen."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (pytest.fail, ("a stranger's code was run",))


def test_a_strangers_run_executes_nothing(run: RunDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    checkpoints = Checkpoints(folder)
    checkpoints.save(3, {"params/a": np.arange(6.0, dtype=np.float32)}, {"config": CONFIG.to_json()})
    checkpoints.wait()
    checkpoints.close()
    asked: list[str] = []
    listening = [True]

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if listening[0] and event == "pickle.find_class":
            asked.append(str(arguments))

    sys.addaudithook(listen)  # stays for the life of the process, so it is told when to stop
    try:
        load(folder / "3")
        path = tmp_path / "7.npz"
        for name in ("embedding", "class_names", "labels", "step"):
            with zipfile.ZipFile(io.BytesIO(_snapshot())) as good, zipfile.ZipFile(path, "w") as bad:
                for item in good.namelist():
                    bad.writestr(item, _object_array() if item == f"{name}.npy" else good.read(item))
            with pytest.raises(RunError):
                core_snapshot.read_snapshot(path)
            assert screen_snapshot.read_snapshot(path) is None
        for parser in (core_snapshot.read_snapshot, screen_snapshot.read_snapshot):
            path.write_bytes(pickle.dumps(_Opened()))
            with contextlib.suppress(RunError):
                assert parser(path) is None
        shutil.copy(path, run.config_path)
        with pytest.raises(RunError):
            _ = run.config
        run.write_config(CONFIG, {})
    finally:
        listening[0] = False
    assert asked == []


def _object_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Opened()], dtype=object), allow_pickle=True)
    return buffer.getvalue()
