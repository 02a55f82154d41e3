import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.commands import Asker, Command, Reason, Requester
from simo2_core.config import RATE_AFTER_DIVERGENCE, Config, all_settings
from simo2_core.errors import DivergedError, RunError
from simo2_core.events import ControlApplied, RunFinished, from_json, from_line
from simo2_tui.cli import main


def test_one_table_says_how_a_process_ends() -> None:
    codes = {reason: reason.exit_code for reason in Reason}
    assert codes == {"completed": 0, "stopped": 130, "interrupted": 130, "diverged": 3, "failed": 1, "settled": 0}
    assert Reason.DIVERGED.exit_code == DivergedError.exit_code
    in_help = {int(number) for number in re.findall(r"\d+", main._EXIT_CODES)}
    assert set(codes.values()) < in_help, "the help of every command names them"
    assert [reason for reason in Reason if reason.early] == ["stopped", "interrupted"]


@pytest.mark.parametrize(
    ("text", "asker", "reason"),
    [
        ("keyboard", Asker.KEYBOARD, Reason.STOPPED),
        ("signal SIGTERM", Asker.SIGNAL, Reason.INTERRUPTED),
        ("signal", Asker.SIGNAL, Reason.INTERRUPTED),
        ("attach pid 4711 on host", Asker.ATTACH, Reason.STOPPED),
        ("a script", Asker.OUTSIDE, Reason.STOPPED),
        ("signalling", Asker.OUTSIDE, Reason.STOPPED),
        ("outside", Asker.OUTSIDE, Reason.STOPPED),
    ],
)
def test_who_asks_decides_how_a_stop_is_called(text: str, asker: Asker, reason: Reason) -> None:
    by = Requester.parse(text)
    assert (by.asker, by.reason, str(by)) == (asker, reason, text)


@given(st.text())
def test_any_text_names_a_source_that_survives(text: str) -> None:
    source = Requester.parse(text)
    assert Requester.parse(str(source)) == source


def test_logs_of_before_are_read_and_new_ones_have_the_same_words() -> None:
    control = {"event": "control", "v": 1, "step": 4, "time": 1.0, "command": "stop", "source": "signal SIGTERM"}
    finished = {"event": "finished", "v": 1, "step": 4, "time": 2.0, "reason": "interrupted", "message": "",
                "checkpoint": None, "seconds": {}}  # fmt: skip
    for line in (control, finished):
        event = from_line(json.dumps(line))
        assert json.loads(event.to_line()) == line
        assert {type(value) for value in event.to_json().values()} <= {str, int, float, dict, type(None)}
    assert from_json(control) == ControlApplied(
        step=4, time=1.0, command=Command.STOP, source=Requester(Asker.SIGNAL, "SIGTERM")
    )
    read = from_json(finished)
    assert isinstance(read, RunFinished)
    assert read.reason.early
    with pytest.raises(RunError, match="unfit 'reason'"):
        from_json({**finished, "reason": "bored"})


def test_the_rate_after_a_divergence_is_said_from_one_constant() -> None:
    config = Config().replace({"learning_rate": 0.3})
    assert config.slowed_down().optim.learning_rate == pytest.approx(0.3 * RATE_AFTER_DIVERGENCE)
    assert config.slowed_down().optim.rest_rate == config.optim.rest_rate, "which only Muon has a use for"
    muon = config.replace({"optimizer": "muon"}).slowed_down().optim
    assert muon.rest_rate / muon.learning_rate == pytest.approx(config.optim.rest_rate / config.optim.learning_rate)
    said = next(item.help for item in all_settings() if item.name == "on_nan")
    assert ("a third of the learning rate" in said, round(1 / RATE_AFTER_DIVERGENCE)) == (True, 3)
