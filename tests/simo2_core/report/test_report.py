"""The page about a run: everything on it, nothing from elsewhere, and open in a real browser."""

import dataclasses
import io
import json
import shlex
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from simo2_core.command_line import settings_changed, train_command
from simo2_core.config import all_settings
from simo2_core.errors import ConfigError, RunError
from simo2_core.first_settings import first_settings
from simo2_core.presets import PRESETS
from simo2_core.report.collect import collect, shown_score
from simo2_core.report.page import _cards, render_page
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.options import resolve
from tests.simo2_tui.recorded import started, write_run

EVIL = "<script>alert('x')</script>&\"'"


class Elements(HTMLParser):
    """Every element with its attributes, and all text outside the style."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self.inside = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if not self.inside or self.inside[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run = write_run(folder, "one", finish="completed", upto=400, bad=77)
    lines = run.events_path.read_text().replace('"zero"', json.dumps(EVIL))
    run.events_path.write_text(lines)
    for kind in ("curves", "pca"):
        noise = np.random.default_rng(0).integers(0, 256, (160, 2000, 3), dtype=np.uint8)
        Image.fromarray(noise).save(run.plots / f"{kind}.png")
    metric = {"label": "kNN k=20", "split": "test", "fit": "train", "how": "cosine", "share": True}
    (run.path / "eval" / "400").mkdir(parents=True)
    (run.path / "eval" / "400" / "eval.json").write_text(json.dumps({
        "step": 400, "data": "digits", "images": {"test": 359},
        "metrics": {"knn_20": metric, "nc1": metric, "nearest_class_mean": {**metric, "label": "nearest class mean"}},
        "scores": {"projection": {"knn_20": {"value": 0.75, "interval": 0.01}},
                   "representation": {"nearest_class_mean": {"value": 0.5, "interval": 0.05}}},
    }))  # fmt: skip
    (run.path / "eval" / "300").mkdir()
    (run.path / "eval" / "300" / "eval.json").write_text("{ torn")
    return run


@pytest.fixture(scope="module")
def found(run):
    return collect(run)


def test_one_number_has_one_form_on_the_page():
    assert shown_score({"value": 0.9972}, {"share": True}) == "99.72%"
    assert shown_score({"value": 0.9972, "interval": 0.0105}, {"share": True}) == "99.72% ± 1.05%"
    assert shown_score({"value": 7.64}, {"share": False}) == "7.6400"
    assert shown_score({"value": 0.9972}, {}) == "0.9972", "of an older simo2 eval, which did not say"
    assert shown_score(None, {}) == "–"


def test_the_page_tells_everything_and_loads_nothing(found):
    page = render_page(found)
    found = Elements(page)
    assert not found.inside, "every element is closed"
    assert not [tag for tag, _ in found.found if tag in ("script", "link", "iframe", "object")]
    for _, attributes in found.found:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:image/png;base64,", "#"))
    assert "url(" not in page
    assert "@import" not in page
    ids = {attributes["id"] for _, attributes in found.found if "id" in attributes}
    assert {a["href"][1:] for tag, a in found.found if tag == "a"} <= ids
    words = " ".join(found.text.split())
    for word in ("one", "completed", "step 400 of 400", "99.45%", "75.00% ± 1.00%", "step 77: the loss is NaN.",
                 "284,321", "simo2 train --preset digits", EVIL.split("'")[1], "27.4 s"):  # fmt: skip
        assert word in words, word
    assert len([tag for tag, _ in found.found if tag == "img"]) == 2
    assert "NC1" not in words


def test_class_means_are_a_headline_of_the_data_that_the_run_is_of(found):
    card = ("50.00% ± 5.00%", "class means of train, representation; of test at step 400")
    assert card in _cards(found)["cards"]
    other = [{**data, "data": "letters"} for data in found.measured]
    assert card not in _cards(dataclasses.replace(found, measured=other))["cards"]
    bare = [{**data, "scores": {}} for data in found.measured]
    assert card not in _cards(dataclasses.replace(found, measured=bare))["cards"]


def test_a_picture_is_made_smaller(found):
    (_, content, _), *_ = found.pictures
    assert Image.open(io.BytesIO(content)).width == 1400


def test_a_run_without_anything_to_tell_is_one_line(tmp_path):
    with pytest.raises(RunError, match="has logged nothing yet"):
        collect(RunDirectory.create(tmp_path, "empty", PRESETS["digits"].config))


def test_a_run_that_was_killed_early_has_a_page_too(tmp_path):
    found = collect(write_run(tmp_path, upto=3))
    assert [name for name, *_ in found.pictures] == ["curves"], "what can be drawn is, and the rest is not there"
    page = render_page(found)
    assert "dead" in page
    assert "Nothing has been evaluated yet." in page


def test_what_is_below_raw_pixels_is_red_and_says_so_and_what_is_none_is_a_dash(tmp_path):
    run = write_run(tmp_path, finish="completed", upto=40)
    Image.new("RGB", (8, 8)).save(run.plots / "curves.png")  # or seven would be drawn
    found = collect(run)
    none = float("nan")
    found.evaluations = [dataclasses.replace(e, same_class_cosine=none) for e in found.evaluations]
    assert "below raw pixels" not in render_page(found)
    found.test = dataclasses.replace(found.test, knn_representation=0.2, largest_class_cosine=none)
    page = render_page(found)
    assert "<b class=bad>20.00%</b><span>kNN@20, representation, below raw pixels</span>" in page
    text = Elements(page).text
    assert "nan" not in text.lower().split()
    assert "source–" in text, "a setting that is empty"


def test_wide_pictures_have_the_width_of_the_page_and_commands_break_between_options(tmp_path):
    run = write_run(tmp_path, finish="completed", upto=40)
    for kind, size in (("curves", (3000, 400)), ("pca", (500, 420)), ("tsne", (3100, 3000))):
        Image.new("RGB", size).save(run.plots / f"{kind}.png")
    found = collect(run)
    page = render_page(found)
    elements = Elements(page).found
    assert [a.get("class") for tag, a in elements if tag == "figure"] == ["wide", None, None]
    assert "<span>--steps 400</span>" not in page, "what the preset has is not said"
    config = run.config.replace({"steps": 7, "batch_size": 80})
    page = render_page(dataclasses.replace(found, config=config))
    for words in ("simo2 train", "--preset digits", "--steps 7", "--batch-size 80"):
        assert f"<span>{words}</span>" in page
    text = Elements(page).text
    assert train_command(config) in text, "and is copied as it is typed"


UNSEEN = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u2028\ud800\0"


def test_what_does_not_show_is_written_out_wherever_it_comes_from(tmp_path):
    run = write_run(tmp_path, finish="completed", upto=400, bad=77)
    evil = json.dumps(EVIL + UNSEEN)[1:-1]
    text = run.events_path.read_text()
    for place in ('"zero"', '"cpu"', '"completed"', '"diverged"'):
        text = text.replace(place, f'"{evil}"') if place == '"zero"' else text
    said = [json.loads(line) for line in text.splitlines()]
    for event in said:
        for name in ("message", "cure", "device", "code", "source"):
            if isinstance(event.get(name), str):
                event[name] += EVIL + UNSEEN
    run.events_path.write_text("".join(json.dumps(event) + "\n" for event in said))
    run.write_config(run.config, {"packages": {"simo2": UNSEEN}, EVIL + UNSEEN: UNSEEN, "git_commit": UNSEEN})
    folder = run.path / "eval" / "400"
    folder.mkdir(parents=True)
    metric = {"label": UNSEEN, "split": UNSEEN, "how": EVIL + UNSEEN, "share": True}
    (folder / "eval.json").write_text(json.dumps({
        "step": 400, "data": UNSEEN, "images": {UNSEEN: 3}, "metrics": {UNSEEN: metric},
        "scores": {EVIL + UNSEEN: {UNSEEN: {"value": 0.5}}},
    }))  # fmt: skip
    for name in ("curves", "a" + UNSEEN[1:8]):
        Image.new("RGB", (8, 8)).save(run.plots / f"{name}.png")
    page = render_page(collect(run))
    assert not [char for char in page if char in set(UNSEEN) - set("]0;owned[2J31mgnp.exe")]
    page.encode()
    assert r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u2028\ud800\x00" in Elements(page).text
    assert not [tag for tag, _ in Elements(page).found if tag == "script"]


FOREIGN = (
    "[]",
    "{}",
    "[" * 9999,
    '{"scores": 1, "metrics": 2, "images": 3, "data": 4, "step": 5}',
    '{"scores": {"a": {"b": {"value": "x"}}}, "metrics": {}, "images": {}, "data": 1, "step": 1}',
    '{"scores": {}, "metrics": {"a": {"label": 1, "split": 2, "how": 3}}, "images": {}, "data": 1, "step": 1}',
    '{"scores": {"a": {"b": {}}}, "metrics": {}, "images": {"x": []}, "data": 1, "step": "x"}',
)


def test_evaluations_and_pictures_that_a_stranger_made_cost_themselves_alone(tmp_path):
    run = write_run(tmp_path, finish="completed", upto=40)
    bomb = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(bomb, "PNG")
    Image.new("RGB", (8, 8)).save(run.plots / "curves.png")
    for number, text in enumerate(FOREIGN):
        folder = run.path / "eval" / str(number)
        folder.mkdir(parents=True)
        (folder / "eval.json").write_text(text)
    for name, content in (("bomb", bomb.getvalue()), ("torn", bomb.getvalue()[:60]), ("none", b"nothing")):
        (folder / f"{name}.png").write_bytes(content)
    found = collect(run)
    assert found.measured == []
    assert [name for name, *_ in found.pictures] == ["curves"]
    render_page(found)


def test_a_wide_table_is_stacked_on_a_phone_with_each_number_named(found):
    page = render_page(found)
    assert "@media (max-width: 42rem)" in page
    cells = [attributes.get("data-head") for tag, attributes in Elements(page).found if tag == "td"]
    assert cells.count("effective rank") > 1


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_real_browser_shows_it(run, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render_page(collect(run)))

    def browser(*options):
        return subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--window-size=1000,1400", *options, path.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip

    dom = Elements(browser("--dump-dom"))
    assert not [tag for tag, _ in dom.found if tag == "script"]
    assert "completed" in dom.text
    browser(f"--screenshot={tmp_path / 'page.png'}")
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    assert pixels.shape == (1400, 1000, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100, "text and pictures"


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.integers(1, 10**6), "seed": st.integers(0, 999), "learning_rate": st.floats(1e-6, 1),
        "widths": st.lists(st.integers(1, 64), min_size=1, max_size=5).map(tuple), "flip": st.booleans(),
        "distance": st.sampled_from(["euclidean", "line"]), "eval_every": st.sampled_from(["never", "30s", "5"]),
        "test_split": st.sampled_from([None, "hold-out"]), "labels": st.sampled_from(["classes", "none"]),
        "epsilon": st.floats(1e-6, 1),
    },
)  # fmt: skip


@settings(max_examples=40)
@given(st.sampled_from(sorted(PRESETS)), CHANGES)
def test_the_command_gives_the_settings_back(preset, changes):
    config = resolve(preset, changes)
    words = shlex.split(train_command(config))
    assert words[:4] == ["simo2", "train", "--preset", preset]
    flags = {leaf.flag: leaf for leaf in all_settings()}
    given_again = {
        flags[flag].name: flags[flag].parse(text) for flag, text in zip(words[4::2], words[5::2], strict=True)
    }
    assert resolve(preset, given_again) == config
    assert set(settings_changed(config)) == set(given_again)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"recipe": "none"},
        {"recipe": "none", "steps": 7},
        {"steps": 10_000},
        {"steps": 7, "minutes": 2.0},
        {"minutes": 60.0},
        {"minutes": 60.0, "max_passes": 7},
        {"max_passes": 0},
        {"labels_per_class": 5},
        {"labels_per_class": 5, "max_passes": 60},
        {"label_fraction": 0.01, "max_passes": 60, "minutes": 60.0},
        {"recipe": "fast", "flip": False},
        {"recipe": "fast", "flip": True, "encoder": "resnet18", "widths": (4, 4)},
        {"recipe": "fast", "sampling": "replacement", "learning_rate": 3e-4},
        {"objective": "cross_entropy", "label_smoothing": 0.0, "mixing": "mixup"},
        {"recipe": "fast", "labels": "none", "objective": "supcon"},
    ],
    ids=str,
)
@pytest.mark.parametrize("preset", ["cifar10", "svhn_cropped"])
def test_the_command_gives_a_recipe_back(preset, changes):
    config = resolve(preset, changes)
    words = shlex.split(train_command(config))
    flags = {leaf.flag: leaf for leaf in all_settings()}
    again = {flags[flag].name: flags[flag].parse(text) for flag, text in zip(words[4::2], words[5::2], strict=True)}
    assert again["recipe"] == config.recipe
    assert resolve(preset, again) == config
    planned = config.replace({"steps": 1234}) if config.minutes else config
    assert first_settings(preset, settings_changed(planned) | {"steps": planned.steps}).config == planned
    assert len(words) < 20, "what the recipe says is not said again"


OF_A_RECIPE = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.sampled_from([7, 10_000]), "minutes": st.sampled_from([0.0, 20.0, 60.0]),
        "max_passes": st.sampled_from([0, 7, 60]), "labels_per_class": st.sampled_from([0, 5]),
        "label_fraction": st.sampled_from([0.01, 1.0]), "flip": st.booleans(), "label_smoothing": st.just(0.0),
        "objective": st.sampled_from(["simo2", "cross_entropy"]), "encoder": st.sampled_from(["airbench", "resnet18"]),
    },
)  # fmt: skip


@settings(max_examples=100)
@given(st.sampled_from(["cifar10", "svhn_cropped"]), OF_A_RECIPE, OF_A_RECIPE)
def test_the_command_of_a_recipe_run_gives_back_what_was_given_then_and_later(preset, first, later):
    try:
        config = resolve(preset, {"recipe": "fast", **first}).given(later)
    except ConfigError:
        return
    words = shlex.split(train_command(config))
    flags = {leaf.flag: leaf for leaf in all_settings()}
    again = {flags[flag].name: flags[flag].parse(text) for flag, text in zip(words[4::2], words[5::2], strict=True)}
    assert resolve(preset, again) == config


def test_a_folder_is_named_once(tmp_path):
    config = resolve(None, {"dataset": str(tmp_path / "my images"), "image_size": 16})
    assert train_command(config) == f"simo2 train --dataset '{tmp_path / 'my images'}' --image-size 16"


def test_a_run_for_a_time_that_settled_is_no_warning_and_promises_no_bits(tmp_path):
    run = write_run(tmp_path, finish="settled", upto=40)
    run.write_config(run.config.replace({"minutes": 20.0}), {})
    Image.new("RGB", (8, 8)).save(run.plots / "curves.png")
    text = Elements(render_page(collect(run))).text
    assert "settled. done" not in text
    assert "another run of it takes others" in text
    assert "gives the same bits" not in text
    with run.events_path.open("a") as log:
        log.write(dataclasses.replace(started(run, 900), step=40).to_line() + "\n")
    assert collect(run).test is None, "it goes on, and will read test at its new end"


def test_a_batch_of_images_drawn_one_by_one_is_no_classes_and_samples(tmp_path):
    run = write_run(tmp_path, upto=3)
    assert "10 classes × 16 samples" in Elements(render_page(collect(run))).text
    run.write_config(run.config.replace({"objective": "cross_entropy", "sampling": "proportional"}), {})
    assert "160 images drawn one by one" in Elements(render_page(collect(run))).text
