"""What the real clients wrote, read back from their files."""

import json
import struct
import warnings

import pytest
from PIL import Image

from simo2_core.events import CheckpointSaved, PlotSaved, RolledBack, StepsLogged
from simo2_core.track.outlet import Tracking
from simo2_core.trackers.tensorboard import Tensorboard
from simo2_core.trackers.wandb import Wandb
from tests.simo2_tui.recorded import evaluated, logged, started, write_run


@pytest.fixture
def run(tmp_path):
    run = write_run(tmp_path, "demo", upto=80, finish="completed")
    Image.new("RGB", (8, 6), "red").save(run.plots / "pca.png")
    (run.checkpoints / "80").mkdir()
    (run.checkpoints / "80" / "weights").write_bytes(b"weights")
    return run


def told(run, service, events):
    lines = []
    with Tracking(run, [service], lines.append) as tracking:
        list(tracking.watch(events))
    return lines


def events_of(run):
    *before, test, last = run.events()
    saved = CheckpointSaved(step=80, path="checkpoints/80", best=True, seconds=0.1)
    return [*before, test, PlotSaved(step=80, path="plots/pca.png"), saved, last]


def test_tensorboard(run, tmp_path):
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    folder = tmp_path / "board"
    picture = PlotSaved(step=74, path="plots/pca.png")
    again = [RolledBack(step=72, from_step=81, learning_rate=1e-3, left=2), logged(73, 2, 400), picture]
    events = events_of(run)
    assert told(run, Tensorboard(folder=str(folder)), [*events[:-1], *again, events[-1]]) == [
        f"tensorboard: tensorboard --logdir {folder}"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    total = {item.step: item.value for item in found.Scalars("loss/total")}
    wanted = {e.step + i: x for e in events if isinstance(e, StepsLogged) for i, x in enumerate(e.total)}
    wanted |= dict(zip((73, 74), again[1].total, strict=True))
    assert total == pytest.approx({step: value for step, value in wanted.items() if step <= 74}, rel=1e-6)
    assert [item.step for item in found.Scalars("validation/effective_rank")] == [40]
    (shown,) = found.Images("plots/pca")
    assert (shown.step, shown.width, shown.height) == (74, 8, 6)
    assert b"| seed | 0 |" in found.Tensors("config")[0].tensor_proto.string_val[0]
    assert found.Tensors("finished")


def test_wandb_offline(run, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")  # what is asked for wins over the user's own setting
    events = events_of(run)
    service = Wandb(mode="offline", project="there", tags="a, b", checkpoints=True)
    (line,) = told(run, service, events)
    (file,) = run.path.glob("wandb/offline-run-*/*.wandb")
    assert str(file.parent) in line
    records = read_wandb(file)
    begun = records["run"][0].run
    assert (begun.project, begun.display_name, list(begun.tags)) == ("there", "demo", ["a", "b"])
    config = {item.key: json.loads(item.value_json) for item in begun.config.update}
    assert (config["seed"], config["eval_every"], config["parameters"]) == (0, "50", started(run, 1).parameters)
    rows = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records["history"]
    ]
    total = {row["step"]: row["loss/total"] for row in rows if "loss/total" in row}
    assert total == {e.step + i: x for e in events if isinstance(e, StepsLogged) for i, x in enumerate(e.total)}
    assert [row["validation/effective_rank"] for row in rows if "validation/effective_rank" in row] == [
        evaluated(step, step / 400).effective_rank for step in (40, 80)
    ]
    (picture,) = [row for row in rows if "plots/pca/width" in row]
    assert (picture["plots/pca/width"], picture["plots/pca/height"]) == (8, 6)
    assert records["exit"][0].exit.exit_code == 0
    (saved,) = records["artifact"]
    assert saved.artifact.name == "demo-checkpoint"


def read_wandb(path):
    """The records of a .wandb file, by kind: blocks of LevelDB's log format after a header of seven bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from wandb.proto.wandb_internal_pb2 import Record
    data, at, parts, found = path.read_bytes(), 7, [], {}
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:  # no header fits into the rest of a block
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record.FromString(b"".join(parts))
            found.setdefault(record.WhichOneof("record_type"), []).append(record)
            parts = []
    return found
