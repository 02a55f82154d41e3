"""What somebody's own part does wrong is said in one line, by the name of the part."""

import json
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType, SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from simo2_core import faults, parts
from simo2_core.config import Config
from simo2_core.data.augment import augment
from simo2_core.data.sources.open import open_source
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError, DataError, PartError
from simo2_core.evaluation.measures import measure, rows_of
from simo2_core.events import WarningRaised
from simo2_core.faults import naming_faults, part_error
from simo2_core.model.build import build_model
from simo2_core.objectives.objective import Seen, require_loss
from simo2_core.track.outlet import Tracking
from simo2_core.trackers.service import choose_service
from simo2_core.train.endings import Endings
from simo2_tui.cli.main import app
from simo2_tui.cli.own_parts import take_parts
from tests.simo2_tui.recorded import write_run

MINE = """
from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx

from simo2_core.augmentations.augmentation import Augmentation
from simo2_core.data.sources.source import Source, SourcePart
from simo2_core.encoders.encoder import Encoder
from simo2_core.errors import ConfigError
from simo2_core.metrics.metric import Metric, MetricResult, Row
from simo2_core.objectives.objective import Loss, Objective, Term
from simo2_core.settings import setting
from simo2_core.train.endings import Endings
from simo2_core.trackers.service import Service


def part(made):
    return dataclass(frozen=True, kw_only=True)(made)


def helper():
    raise ValueError("no such batch\\nand a second line")


@part
class Raising(Objective):
    def loss(self, params, seen, task):
        helper()


@part
class Vector(Objective):
    def loss(self, params, seen, task):
        return Loss(seen.embedding.sum(axis=(0, 1)), {})


@part
class Whole(Objective):
    def loss(self, params, seen, task):
        return Loss(jnp.int32(3), {})


@part
class Bare(Objective):
    def loss(self, params, seen, task):
        return seen.embedding.sum()


@part
class Silent(Objective):
    def terms(self, classes, samples_per_class):
        return {"total": Term("total"), "spread": Term("spread")}

    def loss(self, params, seen, task):
        return Loss(seen.embedding.sum(), {"other": jnp.float32(1)})


@part
class Picky(Objective):
    tightness: float = setting(0.5, "how tight")

    def check(self):
        {}[self.tightness]


class Net(nnx.Module):
    def __init__(self, how):
        self.how = how

    def __call__(self, images, dropout_keys=None):
        flat = images.reshape(len(images), -1)[:, :6]
        return {"raising": helper, "wide": lambda: flat[:, :4], "half": lambda: flat.astype(jnp.bfloat16),
                "maps": lambda: images, "none": lambda: None}[self.how]()


@part
class Made(Encoder):
    how: str = setting("raising", "what it does wrong")
    features = 6

    def build(self, channels, *, dtype, rngs):
        return Net(self.how)


@part
class Broken(Encoder):
    features = 6

    def build(self, channels, *, dtype, rngs):
        raise RuntimeError("no weights")


@part
class Shrinking(Augmentation):
    def apply(self, key, images):
        return images[:, 1:]


@part
class Halving(Augmentation):
    def apply(self, key, images):
        return images.astype(jnp.float16)


@part
class Tripping(Augmentation):
    def apply(self, key, images):
        helper()


class Images(Source):
    name, splits = "mine", ("train",)

    def identity(self, split):
        return ""

    def split(self, split):
        raise KeyError(split)


@part
class Mine(SourcePart):
    @classmethod
    def claims(cls, dataset):
        return dataset.startswith("mine:")

    def open(self, config, report):
        if config.dataset == "mine:split":
            return Images()
        raise FileNotFoundError(config.dataset)


@part
class Odd(Metric):
    what: str = setting("text", "what it gives")

    @property
    def rows(self):
        return [Row("odd", "odd", "mine"), Row("even", "even", "mine")]

    def measure(self, features, labels, classes, say):
        if self.what == "refusal":
            raise ConfigError("not with me")
        if self.what == "number":
            return 3.0
        odd = {"text": "high", "nan": float("nan"), "array": features["test"], "device": jnp.float32(2)}
        details = {"why": object()} if self.what == "details" else {}
        return MetricResult({"odd": odd.get(self.what, 1.0), "even": 2.0}, details)


@part
class Rowless(Metric):
    rows = ("odd",)


@part
class Lost(Service):
    def of_run(self, run):
        helper()
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Makes a part of the file known, and gives it."""
    monkeypatch.setenv(parts.VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(MINE)

    def find(kind, name, **settings):
        parts.allow(f"{path}:{name}")
        return parts.find(kind, f"mine.py:{name}")(**settings)

    return find


def message(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


SEEN = Seen(jnp.ones((2, 3, 4)), jnp.ones((6, 5)), jnp.arange(2), jnp.ones((6, 8, 8, 1)))


def test_what_a_loss_raises_while_it_is_traced_names_the_objective_and_the_place(mine):
    objective = mine("objective", "Raising")
    with pytest.raises(PartError) as caught, naming_faults():
        jax.eval_shape(lambda z: objective.loss({}, SEEN._replace(embedding=z), None), SEEN.embedding)
    assert message(caught).startswith(
        "the objective 'mine.py:Raising' raised ValueError: no such batch (mine.py, line "
    )
    assert "simo2 --debug" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError), "for --debug"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Vector", r"gave \(4,\) float32 as total; it must be a float32 scalar"),
        ("Whole", r"gave \(\) int32 as total; it must be a float32 scalar"),
        ("Bare", r"gave \(\) float32 as its loss; it must be Loss\(total, terms\)"),
        ("Silent", "has told of the terms spread, and its loss gives none of them"),
    ],
)
def test_a_loss_that_cannot_be_minimised_or_charted_is_refused(mine, name, said):
    objective = mine("objective", name)
    with pytest.raises(PartError, match=f"the objective 'mine.py:{name}' {said}") as caught:
        require_loss(objective, objective.loss({}, SEEN, None))
    message(caught)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raising", "raised ValueError: no such batch"),
        ("wide", r"gave \(3, 4\) float32 for 3 images; it must be \(3, 6\) float32"),
        ("half", r"gave \(3, 6\) bfloat16 for 3 images; it must be \(3, 6\) float32"),
        ("maps", r"gave \(3, 8, 8, 1\) float32 for 3 images"),
        ("none", "gave a NoneType for 3 images"),
    ],
)
def test_an_encoder_that_gives_something_else_is_named(mine, how, said):
    config = Config().replace({"encoder": mine("encoder", "Made", how=how)}).model
    model = build_model(config, 1, jax.random.key(0))
    with pytest.raises(PartError, match=f"the encoder 'mine.py:Made' {said}") as caught, naming_faults():
        jax.eval_shape(model.represent, jnp.ones((3, 8, 8, 1)))
    message(caught)


def test_an_encoder_that_cannot_be_built_is_named(mine):
    config = Config().replace({"encoder": mine("encoder", "Broken")}).model
    with (
        pytest.raises(PartError, match=r"the encoder 'mine.py:Broken' raised RuntimeError: no weights"),
        naming_faults(),
    ):
        build_model(config, 1, jax.random.key(0))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Shrinking", r"made \(3, 7, 8, 1\) float32 of \(3, 8, 8, 1\) float32 images"),
        ("Halving", r"made \(3, 8, 8, 1\) float16 of \(3, 8, 8, 1\) float32 images"),
        ("Tripping", "raised ValueError: no such batch"),
    ],
)
def test_an_augmentation_that_changes_more_than_pixels_is_named(mine, name, said):
    one, images = mine("augmentation", name), jnp.zeros((3, 8, 8, 1), jnp.uint8)
    with pytest.raises(PartError, match=f"the augmentation 'mine.py:{name}' {said}") as caught, naming_faults():
        jax.eval_shape(lambda x: augment(jax.random.key(0), x, [one], jnp.zeros(1), jnp.ones(1)), images)
    message(caught)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [("mine:open", "raised FileNotFoundError: mine:open"), ("mine:split", "raised KeyError: 'train'")],
)
def test_a_source_that_cannot_load_is_named(mine, dataset, said):
    config = DataConfig(dataset=dataset, sources=(mine("source", "Mine"),))
    with pytest.raises(PartError, match=f"the source 'mine.py:Mine' {said}") as caught, naming_faults():
        open_source(config).split("train")
    message(caught)


def test_a_check_that_raises_names_the_part_whose_setting_it_is(mine):
    with pytest.raises(PartError, match=r"the objective 'mine.py:Picky' raised KeyError: 0.5"):
        mine("objective", "Picky")


RNG = np.random.default_rng(0)
X = {part: RNG.normal(size=(n, 4)).astype(np.float32) for part, n in (("train", 40), ("validation", 20), ("test", 20))}
Y = {part: np.arange(len(rows), dtype=np.int32) % 4 for part, rows in X.items()}


@pytest.mark.parametrize(
    ("what", "said", "kept"),
    [
        ("text", "it gave 'high' as odd, which is no number", {"even"}),
        ("nan", "it gave nan as odd, which is no number", {"even"}),
        ("array", "it gave (20, 4) float32 as odd", {"even"}),
        ("details", "its details are no JSON: TypeError", {"odd", "even"}),
        ("number", "it gave a float; it must be a number for each of its rows", set()),
        ("refusal", "ConfigError: not with me", set()),
        ("device", "", {"odd", "even"}),
    ],
)
def test_a_metric_costs_the_evaluation_its_own_rows_at_most_and_says_why(mine, what, said, kept):
    found = measure(
        X, Y, classes=4, say=lambda _: None, metrics=[parts.find("metric", "knn")(), mine("metric", "Odd", what=what)]
    )
    assert said in found.problems.get("mine.py:Odd", "")
    assert bool(said) == bool(found.problems)
    assert {*found.scores} & {"odd", "even"} == kept
    assert "knn_20" in found.scores
    json.dumps([found.details, found.problems], allow_nan=False)


def test_rows_that_are_none_are_refused_before_anything_is_measured(mine):
    with pytest.raises(PartError, match=r"the metric 'mine.py:Rowless' has a str among its rows"):
        rows_of([mine("metric", "Rowless")])


def test_a_tracker_that_raises_in_this_process_is_an_alarm_and_never_ends_a_run(mine, tmp_path):
    run = write_run(tmp_path, "demo", upto=80, finish="completed")
    mine("tracker", "Lost")
    events, lines = list(run.events()), []
    with Tracking(run, [choose_service("mine.py:Lost")], lines.append) as tracking:
        passed = list(tracking.watch(events))
    assert [event for event in passed if not isinstance(event, WarningRaised)] == events
    [alarm] = [event for event in passed if isinstance(event, WarningRaised)]
    assert (alarm.code, alarm.message) == ("tracking", "mine.py:Lost: ValueError: no such batch.")
    again = f"simo2 log {run.path} --tracker {tmp_path}/mine.py:Lost"
    assert lines == [f"mine.py:Lost: ValueError: no such batch. Tell it again with: {again}"]


def test_the_command_line_says_it_in_one_line_and_the_traceback_is_for_debug(mine, tmp_path, monkeypatch):
    mine("encoder", "Broken")
    words = ["train", "--preset", "digits", "--steps", "3", "--run-dir", str(tmp_path), "--encoder", "mine.py:Broken"]
    result = CliRunner().invoke(app, take_parts(words))
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("simo2:")]
    assert "the encoder 'mine.py:Broken' raised RuntimeError: no weights (mine.py, line " in line
    monkeypatch.setenv("SIMO2_DEBUG", "1")
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, PartError)
    assert isinstance(result.exception.__cause__, RuntimeError)


def test_a_run_ends_as_failed_and_keeps_the_steps_taken(tmp_path):
    run = write_run(tmp_path, "demo", upto=80)
    saver = SimpleNamespace(save_last=lambda *_: iter(()))
    training = SimpleNamespace(taken=80, run=run, arrays=dict, meta=dict, clock=SimpleNamespace(seconds={}))
    ending = Endings(training, saver, None).fail(PartError("the source 'mine' raised OSError: no disk."))  # type: ignore[arg-type]
    finished = next(ending)
    assert (finished.reason, finished.message) == ("failed", "the source 'mine' raised OSError: no disk.")
    with pytest.raises(PartError, match=r"no disk\. Step 80 is kept: simo2 resume .* goes on from it"):
        next(ending)


def test_settings_that_cannot_be_read_leave_a_part_out_and_help_alone(mine, tmp_path):
    (tmp_path / "other.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from simo2_core.objectives.objective import Objective\nfrom simo2_core.settings import setting\n\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Odd(Objective):\n    many: Sequence[int] = setting((), 'many')\n"
    )
    parts.allow(f"{tmp_path}/other.py:Odd")
    with pytest.raises(ConfigError, match=r"the settings of other.py:Odd cannot be read: NameError: name 'Sequence'"):
        parts.find("objective", "other.py:Odd")
    assert "other.py:Odd" not in parts.strangers("objective")


def test_what_simo2_raises_or_refuses_itself_goes_its_own_way():
    for error in (ValueError("ours"), DataError("no folder"), MemoryError()):
        with pytest.raises(type(error)), naming_faults():
            raise error


def test_code_that_no_part_was_asked_of_is_named_by_its_package(monkeypatch):
    """As in a worker, which is sent a piece of a source and knows no source."""
    module = ModuleType("their_package.images")
    exec("def images():\n    raise OSError('no disk')", module.__dict__)
    point = EntryPoint("stripes", "their_package.images:Stripes", "simo2.sources")
    dist = type("Dist", (), {"name": "their-package"})()
    monkeypatch.setattr(faults, "entry_points", lambda **of: EntryPoints([point._for(dist)]))  # type: ignore[arg-type]
    with pytest.raises(OSError) as caught:
        module.images()
    assert str(part_error(caught.value)).startswith(
        "the source 'stripes' of the package their-package raised OSError: "
    )
