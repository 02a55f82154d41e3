import numpy as np
import pytest

from simo2_core.config import ObjectiveConfig
from simo2_core.data.progress import Progress
from simo2_core.errors import RunError
from simo2_core.events import WarningRaised
from simo2_core.loss_floor import loss_floor, pair_counts
from simo2_core.presets import PRESETS
from simo2_tui.screens import readings
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.live import LiveSession
from simo2_tui.widgets.palette import ALERT, UNICODE
from tests.simo2_tui.recorded import write_run


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
    sums = {item.name: item.y for item in readings.loss_series(history, "sum", ObjectiveConfig())}
    above = {item.name: item.y for item in readings.loss_series(history, "above floor", ObjectiveConfig())}
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


def test_preparing_data_ends_when_asked_to_stop(tmp_path):
    session = LiveSession(PRESETS["digits"].config, tmp_path, "run")
    session._report(Progress(stage="decode", name="x", done=1, total=10))
    assert "decoding x" in words(readings.value_spans(session, 80, UNICODE))
    session.command("stop")
    with pytest.raises(RunError, match="before the first step"):
        session._report(Progress(stage="decode", name="x", done=2, total=10))
