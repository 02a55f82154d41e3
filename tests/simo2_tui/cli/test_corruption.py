"""Any file of a run, cut short or with a byte changed: it is resumed from what is sound, or refused in one line."""

import shutil
from pathlib import Path

import pytest

from simo2_core.checkpoints.checkpoint import list_steps
from simo2_core.checkpoints.recovery import newest_sound
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import EventLog
from simo2_core.run.log import record
from simo2_core.train.trainer import train
from simo2_tui.cli.resume import find_resumable
from simo2_tui.session.snapshot import read_snapshot
from tests.tiny import DIGITS

TINY = DIGITS.replace({"steps": 6, "eval_every": "3", "checkpoint_every": "2", "plot_every": "never"})


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory.create(tmp_path_factory.mktemp("runs"), "sound", TINY)
    for _ in record(train(TINY, run, Control(run.control), pictures=False), run):
        pass
    assert list_steps(run.checkpoints) == [2, 4, 6]
    return run.path


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, cut])
def test_damage_to_any_one_file_costs_at_most_what_came_after_it(sound: Path, tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    files = sorted(path.relative_to(sound) for path in sound.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(files) > 30
    for number, file in enumerate(files):
        run = RunDirectory(tmp_path / f"{number}")
        shutil.copytree(sound, run.path)
        damage(run.path / file)
        # Orbax's own notes beside the state are not needed to read it, so nothing is lost with them
        inside = file.parts[0] == "checkpoints" and file.name not in ("_CHECKPOINT_METADATA", "commit_success.txt")
        found = newest_sound(run.checkpoints)
        expected = {"6": "4"}.get(file.parts[1], "6") if inside else "6"
        assert found.checkpoint is not None, file
        assert found.checkpoint.name == expected, file
        assert [path.name for path, _ in found.damaged] == (["6"] if inside and file.parts[1] == "6" else []), file
        assert all(reason for _, reason in found.damaged)
        config, _ = find_resumable(str(run.path), tmp_path, {})  # of the newest checkpoint, if config.json is damaged
        assert config == TINY, file
        EventLog(run.events_path).close()  # as a resumed run opens it
        for snapshot in run.embeddings.glob("*.npz"):
            read_snapshot(snapshot)  # the points, or None
        shutil.rmtree(run.path)
