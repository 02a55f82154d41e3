import dataclasses
import errno
import os
from pathlib import Path

import pytest

from simo2_core.commands import Reason
from simo2_core.errors import NewerFormatError
from simo2_core.events import (
    CheckpointSaved,
    Event,
    Planned,
    PlotSaved,
    RunFinished,
    RunStarted,
    StepsLogged,
    WarningRaised,
    from_json,
)
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import describe, record, rewind


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "one", PRESETS["digits"].config)


def _steps(first: int, count: int) -> StepsLogged:
    row = (1.0,) * count
    return StepsLogged(step=first, total=row, terms={"same": row, "mean": row}, grad_norm=row, learning_rate=row,
                       steps_per_second=1, images_per_second=1, data_wait=0)  # fmt: skip


def test_what_is_recorded_can_be_read_back(run: RunDirectory) -> None:
    events: list[Event] = [_steps(1, 3), PlotSaved(step=3, path="plots/pca.png")]
    said: list[str] = []
    assert list(record(events, run, say=said.append)) == events
    assert list(run.events()) == events
    assert said == ["step 3 plot plots/pca.png"]
    assert "plots/pca.png" in run.log_path.read_text()


def test_a_resumed_run_says_every_step_once(run: RunDirectory) -> None:
    list(record([_steps(1, 3), CheckpointSaved(step=3, path="c", best=False, seconds=0), _steps(4, 3)], run))
    resumed = [PlotSaved(step=3, path="first"), _steps(4, 2)]
    list(record(resumed, run))
    steps = [
        step
        for event in run.events()
        if isinstance(event, StepsLogged)
        for step in range(event.step, event.last_step + 1)
    ]
    assert steps == [1, 2, 3, 4, 5]


def test_a_log_of_a_newer_simo2_is_refused_and_left_as_it_is(run: RunDirectory) -> None:
    newer = _steps(1, 3).to_line().replace('"v":1', '"v":2') + "\n"
    run.events_path.write_text(newer + _steps(4, 1).to_line() + "\n")
    assert rewind(run, 9) == 1, "one digit is damage"
    run.events_path.write_text(newer * 2)
    with pytest.raises(NewerFormatError, match=r"events\.jsonl: an event has version 2; .* reads up to 1\. Update"):
        rewind(run, 9)
    assert run.events_path.read_text() == newer * 2


def test_a_disk_that_is_full_for_a_while_loses_no_line(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    real, full = os.pwrite, [True]

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if full[0]:
            real(descriptor, data[:7], offset)  # a full disk takes a part, then refuses
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    seen: list[Event] = []
    for event in record([_steps(1, 1), _steps(2, 1), _steps(3, 1)], run):
        seen.append(event)
        assert not full[0] or list(run.events()) == []
        full[0] = not (isinstance(event, StepsLogged) and event.step == 2) and full[0]
    warnings = [event for event in seen if isinstance(event, WarningRaised)]
    assert [warning.code for warning in warnings] == ["disk"]
    assert [event.step for event in run.events() if isinstance(event, StepsLogged)] == [1, 2, 3]


def test_the_beginning_says_where_the_images_live_where_that_is_known() -> None:
    known = RunStarted(
        run="r", steps=9, parameters=1, class_names=("a", "b"), classes_per_batch=2, samples_per_class=2,
        embedding_size=2, train_images=8, validation_images=2, test_images=2, device="1 x cpu", raw_pixels_knn=0.5,
        placement="mapped from disk: 9 GB exceed it.",
    )  # fmt: skip
    assert describe(known).endswith("2 test images, on 1 x cpu; images mapped from disk: 9 GB exceed it")
    assert describe(known).startswith("run r: 9 steps, 1 parameters")
    one_by_one = describe(dataclasses.replace(known, one_by_one=True))
    assert "1 parameters, batches of 4 images drawn one by one, D 2, 8 training" in one_by_one
    timed = dataclasses.replace(known, seconds_left=1200.0)
    assert describe(timed).startswith("run r: 20.0 minutes, whose steps are planned, 1 parameters")
    assert "resumed at step 3, 20.0 minutes are left, 1 parameters" in describe(dataclasses.replace(timed, step=3))
    last = [describe(Planned(step=3, steps=4, seconds_left=left)) for left in (0.9, 2.0)]
    assert last == ["step 3 plans 4 steps: 1 second is left", "step 3 plans 4 steps: 2 seconds are left"]
    older = {name: value for name, value in known.to_json().items() if name != "placement"}
    assert describe(from_json(older)).endswith("2 test images, on 1 x cpu")


def test_the_end_is_told_in_one_line() -> None:
    line = describe(RunFinished(step=9, reason=Reason.COMPLETED, message="done", checkpoint=None, seconds={}))
    assert line == "step 9 completed: done"
