import dataclasses
from pathlib import Path

from simo2_core.events import Compiled
from simo2_core.presets import PRESETS
from simo2_tui.app import Console
from simo2_tui.screens import launcher
from simo2_tui.session.estimate import Pace, preset_of
from simo2_tui.session.trial import CALLS_BEFORE, Trial, take_steps
from tests.peers.compare import read_answers, write_weights
from tests.simo2_tui.recorded import logged, started
from tests.simo2_tui.screen_text import text_of, until

DIGITS = PRESETS["digits"].config


def test_only_images_of_a_known_shape_can_be_stood_in_for():
    assert preset_of(DIGITS) is PRESETS["digits"]
    assert preset_of(DIGITS.replace({"dataset": "/some/folder"})) is None


def test_a_failed_trial_says_why():
    trial = Trial(DIGITS.replace({"dataset": "/some/folder"}))
    trial._process.wait(60)
    assert trial.pace() is None
    assert "AssertionError" in trial.reason


def test_the_first_calls_do_not_count_and_nothing_is_left(tmp_path, monkeypatch):
    def training(config, run, control, dataset, *, pictures):
        assert (config.steps, str(config.eval_every), pictures) == (10**6, "never", False)
        assert dataset.image_shape == (8, 8, 1)
        yield started(run, config.steps)
        yield Compiled(seconds=5.0)
        for first in range(1, 1000):
            yield dataclasses.replace(logged(first, 1, 400), steps_per_second=1.0 if first <= CALLS_BEFORE else 20.0)

    monkeypatch.setattr("simo2_core.train.trainer.train", training)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert take_steps(DIGITS, 0.0) == Pace("a trial just now", DIGITS, "cpu", 1 / 20, 0.0, 5.0)
    assert not list(tmp_path.iterdir())


async def test_t_measures_and_the_launcher_says_what_it_found(tmp_path, monkeypatch):
    class Done:
        done = True

        def __init__(self, config):
            self.config = config

        def pace(self):
            return Pace("a trial just now", self.config, "cpu", 0.1, 0.0, 5.0)

    monkeypatch.setattr(launcher, "Trial", Done)
    monkeypatch.setattr("simo2_tui.screens.readiness.gpu", lambda: False)
    app = Console(tmp_path, preset="digits")
    async with app.run_test(size=(120, 40)) as pilot:
        assert "t takes some steps" in text_of(app)
        await pilot.press("t")
        await until(pilot, lambda: "about 0:40 and 0:05 of compiling" in text_of(app))


def test_a_trial_waits_for_nothing_and_takes_images_of_full_size(tmp_path, monkeypatch):
    def training(config, run, control, dataset, *, pictures):
        assert (config.patience, config.minutes, config.max_passes, config.grow_from) == (0, 0, 0, 0)
        yield started(run, config.steps)
        for first in range(1, 10):
            yield logged(first, 1, 400)

    monkeypatch.setattr("simo2_core.train.trainer.train", training)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wanted = DIGITS.replace({"patience": 12, "grow_from": 4, "minutes": 20.0, "max_passes": 60})
    assert take_steps(wanted, 0.0).config == wanted


def test_a_trial_reads_neither_the_weights_that_the_run_begins_with_nor_its_images(tmp_path, monkeypatch):
    begun = []

    def training(config, run, control, dataset, *, pictures):
        begun.append((config.tune.init, config.get("encoder"), dataset.image_shape))
        yield started(run, config.steps)
        for first in range(1, 10):
            yield logged(first, 1, 400)

    monkeypatch.setattr("simo2_core.train.trainer.train", training)
    answers = read_answers(Path(__file__).parents[2] / "simo2_core" / "golden" / "peers.json.xz")
    weights = write_weights(tmp_path / "weights", answers["timm dinov2"])
    for init in ("a-run", str(weights)):
        wanted = DIGITS.replace({"init": init, "channels": 3})
        assert take_steps(wanted, 0.0).config == wanted, "whose time it tells"
    assert begun == [(None, "yatcnn", (8, 8, 3)), (None, "vit_small", (8, 8, 3))]
