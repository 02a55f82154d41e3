from dataclasses import replace
from pathlib import Path

import pytest

from simo2_core.config import Config
from simo2_core.events import Evaluated, Event, Planned, RolledBack
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.display import PlainDisplay, make_display
from tests.simo2_tui.recorded import evaluated, logged, started


def rolled_back(to: int) -> RolledBack:
    return RolledBack(step=to, from_step=35, learning_rate=1e-3, left=2)


def told(capsys: pytest.CaptureFixture[str], *events: Event) -> list[str]:
    display = PlainDisplay(Config().replace({"log_rate": 10, "steps": 400}))
    for event in events:
        display.draw(event)
    return [line.split()[1].split("/")[0] for line in capsys.readouterr().out.splitlines() if " loss total " in line]


@pytest.mark.parametrize(("to", "again"), [(0, ["10", "20"]), (10, ["20"]), (12, ["20"])])
def test_steps_that_are_taken_again_after_a_rollback_are_told_again(
    capsys: pytest.CaptureFixture[str], to: int, again: list[str]
) -> None:
    assert told(capsys, logged(1, 34, 400), rolled_back(to), logged(to + 1, 28 - to, 400)) == ["10", "20", "30", *again]


def test_the_picture_of_a_terminal_says_that_a_run_went_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = make_display(Config(), plain=False, as_json=False)
    with display:
        display.draw(rolled_back(20))
    assert "back to step 20" in capsys.readouterr().out


def test_minutes_left_stand_behind_the_steps_of_a_run_for_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    config = Config().replace({"log_rate": 10, "minutes": 20.0})
    plan = Planned(step=0, steps=400, seconds_left=600.0)
    display = PlainDisplay(config)
    for event in (plan, logged(1, 10, 400)):
        display.show(event)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("step 10/400 ")
    assert line.endswith("images/s 10.0 minutes left")
    PlainDisplay(Config().replace({"log_rate": 10})).show(logged(1, 10, 400))
    assert "minutes left" not in capsys.readouterr().out, "it trains for its steps"
    fresh = PlainDisplay(config)
    fresh.show(logged(1, 10, 1 << 17))
    assert capsys.readouterr().out.startswith("step 10 loss "), "no plan is made yet"


def test_the_best_of_steps_that_are_taken_again_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    def looked(step: int, knn: float) -> Evaluated:
        return replace(evaluated(step, 0.5), knn_representation=knn)

    def told(display: PlainDisplay, event: Event) -> str:
        display.show(event)
        return capsys.readouterr().out

    display = PlainDisplay(Config())
    for event in (looked(10, 0.5), looked(30, 0.9), rolled_back(20), looked(30, 0.4)):
        last = told(display, event)
    assert "has not risen for 1 evaluation: the best was 50.00% at step 10" in last

    resumed = PlainDisplay(Config())
    resumed.evaluations = [looked(10, 0.5), looked(30, 0.9)]  # of an earlier start, killed before it saved the second
    told(resumed, replace(started(RunDirectory(Path("a")), 400), step=20))
    assert "the best was 50.00% at step 10" in told(resumed, looked(30, 0.4))


@pytest.mark.parametrize(("average", "said"), [(0.0, "weights of"), (0.9, "average of the weights at")])
def test_the_end_says_what_test_was_read_with(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, average: float, said: str
) -> None:
    config, run = Config().replace({"average": average}), RunDirectory(tmp_path)
    for plain in (True, False):
        display = make_display(config, plain=plain, as_json=False)
        display.show(evaluated(400, 1.0, "test"))
        capsys.readouterr()
        display.summary(run)
        words = " ".join(capsys.readouterr().out.split())
        assert f"Test: 143 images, read once, with the {said} step 400" in words
