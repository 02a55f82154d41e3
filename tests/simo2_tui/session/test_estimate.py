import pytest

from simo2_core.presets import PRESETS
from simo2_tui.session import estimate as estimating
from simo2_tui.session.estimate import estimate, read_pace, read_paces
from tests.simo2_tui.recorded import write_run

DIGITS = PRESETS["digits"].config


@pytest.fixture(scope="module")
def pace(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("runs"), "demo")
    found = read_pace(run)
    assert found is not None
    return found


def test_a_run_is_as_fast_as_its_log_says(pace):
    assert pace.name == "demo"
    assert 1 / pace.step_seconds == pytest.approx(10.4, abs=0.5)
    assert pace.evaluation_seconds == 0.4
    assert pace.compile_seconds == 6.2


def test_steps_and_evaluations_add_up(pace):
    found = estimate(DIGITS.replace({"steps": 200}), [pace], gpu=False)
    assert found.seconds == pytest.approx(200 * pace.step_seconds + 4 * 0.4)
    assert found.scaled_from is None
    none = estimate(DIGITS.replace({"eval_every": "never"}), [pace], gpu=False)
    assert none.seconds == pytest.approx(400 * pace.step_seconds)
    timed = estimate(DIGITS.replace({"eval_every": "2s"}), [pace], gpu=False)
    assert timed.seconds == pytest.approx(400 * pace.step_seconds * 1.2)


def test_another_batch_scales_and_says_so(pace):
    found = estimate(DIGITS.replace({"batch_size": 320, "eval_every": "never"}), [pace], gpu=False)
    assert found.seconds == pytest.approx(2 * 400 * pace.step_seconds)
    assert found.scaled_from == 160


@pytest.mark.parametrize("changes", [{"widths": (8, 8)}, {"image_size": 16}, {"dataset": "mnist"}, {"channels": 3}])
def test_other_work_is_not_guessed(pace, changes):
    assert estimate(DIGITS.replace(changes), [pace], gpu=False) is None


def test_another_kind_of_device_is_not_guessed(pace):
    assert estimate(DIGITS, [pace], gpu=True) is None


def test_a_long_log_is_read_at_its_ends_only(tmp_path, monkeypatch):
    run = write_run(tmp_path, "long")
    monkeypatch.setattr(estimating, "TAIL", 6000)
    assert run.events_path.stat().st_size > 12_000
    found = read_pace(run)
    assert found.compile_seconds == 6.2, "from the beginning"
    assert 1 / found.step_seconds == pytest.approx(10.4, abs=1.0)


def test_runs_without_steps_or_settings_are_passed_over(tmp_path):
    whole = write_run(tmp_path, "whole")
    empty, broken = write_run(tmp_path, "empty"), write_run(tmp_path, "broken")
    empty.events_path.write_bytes(b"")
    broken.config_path.write_text("{")
    assert [pace.name for pace in read_paces([empty, broken, whole])] == ["whole"]


def test_images_that_grow_take_less_and_only_those_of_full_size_were_timed(tmp_path):
    run = write_run(tmp_path, "grown", upto=400)
    config = DIGITS.replace({"grow_from": 4})
    run.write_config(config, {"device": "cpu"})
    full = read_pace(run)
    assert 1 / full.step_seconds == pytest.approx(10.4, abs=0.5)
    found = estimate(config.replace({"eval_every": "never", "steps": 300}), [full], gpu=False)
    assert found.seconds == pytest.approx(100 * (0.325 + 0.60625 + 1) * full.step_seconds)
    assert estimate(config.replace({"image_size": 0, "dataset": "/some/folder"}), [full], gpu=False) is None
    stopped = write_run(tmp_path, "stopped", upto=200)
    stopped.write_config(config, {"device": "cpu"})
    assert read_pace(stopped) is None, "it saw small images alone"
