from dataclasses import replace

import numpy as np
import pytest

from simo2_core.data.progress import Progress
from simo2_core.events import Compiled, ControlApplied, StepsLogged, WarningRaised
from simo2_core.loss_floor import loss_floor, pair_counts
from simo2_core.objectives.simo2 import Simo2
from simo2_core.presets import PRESETS
from simo2_tui.screens import readings
from simo2_tui.session.device import Sample
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.history import History
from simo2_tui.session.live import LiveSession
from simo2_tui.widgets.curve import View, render_curves
from simo2_tui.widgets.palette import ACCENT, ALERT, ASCII, GOOD, TEXT, UNICODE
from tests.simo2_tui.recorded import evaluated, logged, write_run


@pytest.fixture
def session(tmp_path):
    session = FollowSession(write_run(tmp_path, upto=280))
    session.start()
    assert session.wait_until_read(5)
    yield session
    session.close()


def words(spans):
    return "".join(text for text, _ in spans)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 160])
def test_the_status_line_never_runs_over(session, width):
    spans = readings.status_spans(session, width, UNICODE, link="1.2 kB/s", spent="9 ms")
    assert len(words(spans)) <= max(width, 40)


def test_alarms_stay_in_the_status_line(session):
    for code in ("welch", "collapse", "collapse", "disk"):
        session.history.add(WarningRaised(step=1, code=code, message="m.", cure="c."))
    spans = readings.status_spans(session, 80, UNICODE)
    assert ("  ! collapse disk +1", ALERT) in spans


def test_the_loss_above_its_floor_is_a_pairs_own(session):
    history = session.history
    sums = {item.name: item.y for item in readings.loss_series(history, "sum", Simo2())}
    above = {item.name: item.y for item in readings.loss_series(history, "above floor", Simo2())}
    floor, pairs = loss_floor(10, 16), pair_counts(10, 16)
    assert np.allclose(above["diff"], (sums["diff"] - floor.diff) / pairs.diff)
    assert np.allclose(above["same"], (sums["same"] - floor.same) / pairs.same)


@pytest.mark.parametrize(
    ("stage", "done", "total", "unit", "said"),
    [
        ("decode", 1200, 50_000, "images", "decoding cifar10: 1,200 images of 50,000 images (2%)"),
        ("download", 1_000_000, 0, "bytes", "downloading cifar10: 1.0 MB"),
        ("waiting", 0, 0, "images", "waiting for another process with cifar10"),
    ],
)
def test_preparing_data_is_said_in_words(stage, done, total, unit, said):
    progress = Progress(stage=stage, name="cifar10", done=done, total=total, unit=unit)
    assert readings.progress_words(progress) == said


def test_preparing_data_says_how_far_it_is(tmp_path):
    session = LiveSession(PRESETS["digits"].config, tmp_path, "run")
    session._report(Progress(stage="decode", name="x", done=1, total=10))
    assert "decoding x" in words(readings.value_spans(session, 80, UNICODE))


def waited(step, share):
    return StepsLogged(
        step=step,
        total=(1.0,),
        terms={"same": (1.0,), "mean": (1.0,), "diff": (1.0,)},
        grad_norm=(1.0,),
        learning_rate=(1.0,),
        steps_per_second=10.0,
        images_per_second=1000.0,
        data_wait=share,
    )


def test_commands_are_drawn_on_every_chart(session):
    session.history.add(ControlApplied(step=120, command="pause", source="attach pid 1"))
    (flag,) = [flag for flag in readings.flags(session.history) if flag.ink == ACCENT]
    assert flag.x == 120
    cells = render_curves(readings.gradient_series(session.history), View(high=400), 80, 12, flags=[flag])
    (column,) = np.flatnonzero(cells.ink[1] == ACCENT)
    assert cells.row_text(1)[column] == "▾"
    assert abs((column - 7) / (80 - 7 - 6) - 120 / 400) < 0.02  # an axis at either side


def test_compiling_and_waiting_are_marked_on_the_throughput(session):
    history = session.history
    assert [item.name for item in readings.speed_series(history)] == ["images/s"]
    history.add(Compiled(step=280, seconds=3.0))
    history.add(waited(281, 0.5))
    measured, without = readings.speed_series(history)
    assert without.name == "without waiting"
    assert without.y[-1] == 2 * measured.y[-1]
    marks = readings.speed_flags(history)
    assert [flag.x for flag in marks if flag.waiting] == [281]
    assert [flag.x for flag in marks if flag.ink == TEXT] == [0, 280]
    for glyphs, mark in ((UNICODE, "▴"), (ASCII, "^")):
        cells = render_curves([measured], View(high=400), 80, 12, flags=marks, glyphs=glyphs)
        assert mark in cells.row_text(10), "at the bottom of the curves"


def test_the_device_panel_has_a_row_for_what_is_known():
    full = Sample(cpu=1.5, cpus=2, resident=10**9, host_free=3 * 10**9, device_used=2 * 10**9, device_limit=8 * 10**9,
                  gpu=0.93, watts=310.0, disk_free=10**9, disk_size=4 * 10**9)  # fmt: skip
    rows = [words(spans) for spans in readings.device_rows(full, 44, UNICODE, 0.25)]
    assert all(len(row) <= 44 for row in rows)
    assert [row.split()[0] for row in rows] == ["GPU", "GPU", "CPU", "memory", "disk", "data"]
    assert "93% 310 W" in rows[0]
    assert "2.0 GB of 8.0 GB" in rows[1]
    assert "1.5 of 2 cores" in rows[2]
    assert "1.0 GB, 3.0 GB free" in rows[3]
    assert "1.0 GB free" in rows[4]
    assert "waited 25%" in rows[5]
    (only,) = readings.device_rows(Sample(resident=10**9), 44, UNICODE)
    assert "memory" in words(only)
    assert "nobody" in words(readings.device_rows(None, 44, UNICODE)[0])


def test_an_objective_with_six_terms_has_six_curves_beside_its_loss(session):
    history = History()
    history.add(session.history.starts[0])
    terms = {name: (float(place), float(place)) for place, name in enumerate("abcdef")}
    history.add(replace(waited(1, 0.0), total=(1.0, 1.0), terms=terms, grad_norm=(1.0, 1.0), learning_rate=(1.0, 1.0)))
    curves = readings.loss_series(history, "above floor", session.config.objective)
    assert [item.name for item in curves] == ["total", *"abcdef"]
    assert [item.y.tolist() for item in curves[1:]] == [[float(place)] * 2 for place in range(6)]
    assert len({item.ink for item in curves}) == 7
    cells = render_curves(curves, View(high=2), 160, 20)
    assert all(f" {name} " in cells.row_text(0) for name in "abcdef")


@pytest.mark.parametrize(("reached", "ink"), [(0.98, GOOD), (0.90, ALERT)])
def test_a_result_below_raw_pixels_is_red_and_says_so(session, reached, ink):
    test = replace(evaluated(280, 1.0, "test"), knn_representation=reached)  # raw pixels give 97.2%
    session.history.add(test)
    spans = readings.value_spans(session, 160, UNICODE)
    assert (f"{reached:.2%}", ink) in spans
    assert (" BELOW raw pixels ", ALERT) in spans or ink == GOOD
    session.history.test = None
    session.history.add(replace(test, split="validation", step=281))
    spans = readings.value_spans(session, 160, UNICODE)
    assert (f"{reached:.1%}", ink if ink == ALERT else TEXT) in spans


def test_the_number_that_matters_is_drawn_on_top(session):
    assert readings.accuracy_series(session.history)[0].name == "kNN"
    assert readings.loss_series(session.history, "sum", session.config.objective)[0].name == "total"
    assert readings.gradient_series(session.history)[0].name == "gradient norm"


def test_stuck_pairs_have_a_curve_and_a_number_where_they_are_measured(session):
    *_, newest = session.history.evaluations
    drawn = {series.name: series for series in readings.accuracy_series(session.history)}
    assert drawn["stuck"].y[-1] == pytest.approx(100 * newest.stuck_pairs)
    assert ("stuck", f"{newest.stuck_pairs:.1%}") in readings.value_pairs(session.history)
    session.history.evaluations[:] = [replace(e, stuck_pairs=None) for e in session.history.evaluations]
    assert "stuck" not in {series.name for series in readings.accuracy_series(session.history)}
    assert "stuck" not in dict(readings.value_pairs(session.history))


def test_beside_test_accuracy_each_value_says_what_it_was_measured_on(tmp_path):
    session = FollowSession(write_run(tmp_path, upto=400, finish="completed"))
    session.start()
    assert session.wait_until_read(5)
    said = words(readings.value_spans(session, 160, UNICODE))
    session.close()
    assert "test kNN@20 " in said
    assert said.count("kNN") == said.count("test kNN") + said.count("val kNN")
    assert "val raw" in said


def test_a_measure_that_is_none_is_left_out_and_a_loss_that_is_none_is_not(session):
    session.history.add(replace(evaluated(280, 0.5), same_class_cosine=float("nan")))
    session.history.add(replace(logged(281, 1, 400), total=(float("nan"),)))
    pairs = dict(readings.value_pairs(session.history))
    assert "same cos" not in pairs
    assert "diff |cos|" in pairs
    assert pairs["loss"] == "NaN"
