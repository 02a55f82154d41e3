import dataclasses
from pathlib import Path

import pytest

from simo2_core.events import StepsLogged, WarningRaised
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.train import machine_alarms as watching
from simo2_core.train.feed import Feed
from simo2_core.train.machine_alarms import STARVED_CALLS, Watch
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

CALL = StepsLogged(step=1, total=(1.0,), terms={}, grad_norm=(1.0,), learning_rate=(1.0,), steps_per_second=1.0,
                   images_per_second=1.0, data_wait=0.0)  # fmt: skip
TINY = DIGITS.replace(QUIET | {"steps": 30, "checkpoint_every": "10"})


def starve(watch: Watch, shares: list[float]) -> list[str]:
    codes = []
    for step, share in enumerate(shares):
        watch.saw_call(dataclasses.replace(CALL, step=step, data_wait=share))
        codes += [alarm.code for alarm in watch.alarms(step)]
    return codes


def test_waiting_for_data_is_an_alarm_after_several_calls_in_a_row(tmp_path: Path) -> None:
    assert starve(Watch(tmp_path), [0.9] * (STARVED_CALLS - 1) + [0.0] + [0.9] * (STARVED_CALLS - 1)) == []
    assert starve(Watch(tmp_path), [0.29] * 50) == []
    assert starve(Watch(tmp_path), [0.5] * 50) == ["data-starved"], "once"


def test_the_alarm_says_the_share_and_a_cure(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    for _ in range(STARVED_CALLS):
        watch.saw_call(dataclasses.replace(CALL, data_wait=0.5))
    (alarm,) = watch.alarms(7)
    assert alarm.step == 7
    assert "50%" in alarm.message
    assert "SIMO2_CACHE" in alarm.cure


def test_a_disk_with_less_room_than_three_checkpoints_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1_000
    monkeypatch.setattr(watching, "disk_free", lambda path: free)
    watch = Watch(tmp_path)
    assert list(watch.alarms(1)) == [], "nothing is known before the first checkpoint"
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "data").write_bytes(b"x" * 400)
    watch.saw_checkpoint(tmp_path)
    (alarm,) = watch.alarms(2)
    assert alarm.code == "disk-low"
    assert "400 bytes" in alarm.message
    assert list(watch.alarms(3)) == []
    roomy = Watch(tmp_path)
    roomy.saw_checkpoint(tmp_path)
    free = 1_201
    assert list(roomy.alarms(2)) == []


def test_the_disk_is_looked_at_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10**9
    monkeypatch.setattr(watching, "disk_free", lambda path: free)
    (tmp_path / "data").write_bytes(b"x" * 400)
    watch = Watch(tmp_path)
    watch.saw_checkpoint(tmp_path)
    assert list(watch.alarms(1)) == []
    free = 10
    assert list(watch.alarms(2)) == [], "not at every call"
    monkeypatch.setattr(watching, "DISK_SECONDS", 0.0)
    assert [alarm.code for alarm in watch.alarms(3)] == ["disk-low"]


def test_a_run_raises_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "disk_free", lambda path: 1)
    monkeypatch.setattr(watching, "STARVED_CALLS", 2)
    whole = Feed.data

    def slow(self: Feed, step: int) -> object:
        data = whole(self, step)
        self.waited = 1e6
        return data

    monkeypatch.setattr(Feed, "data", slow)
    run = RunDirectory.create(tmp_path, "run", TINY)
    raised: list[str] = []
    for event in train(TINY, run, Control(run.control), pictures=False):
        raised += [event.code] if isinstance(event, WarningRaised) else []
        if {"data-starved", "disk-low"} <= set(raised):
            break
    assert raised.count("data-starved") == raised.count("disk-low") == 1


def test_a_disk_that_does_not_answer_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> int:
        raise OSError("stale file handle")

    (tmp_path / "data").write_bytes(b"x")
    monkeypatch.setattr(watching, "disk_free", refuse)
    watch = Watch(tmp_path)
    watch.saw_checkpoint(tmp_path)
    assert list(watch.alarms(1)) == []
