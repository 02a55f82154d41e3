import json
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits

from simo2_core.analysis.course import read_course
from simo2_core.analysis.render import KINDS, _curves_title, folder_for, main, render_each
from simo2_core.errors import ConfigError, DataError, RunError
from simo2_core.events import Evaluated, RunStarted, StepsLogged
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory

NAMES = tuple(str(i) for i in range(10))


def render(*arguments, **options):
    """The files of the pictures."""
    return [drawn.path for drawn in render_each(*arguments, **options)]


def started(run, step=0):
    return RunStarted(
        step=step, run=str(run.path), steps=400, parameters=1, class_names=NAMES, classes_per_batch=10,
        samples_per_class=16, embedding_size=64, train_images=1294, validation_images=143, test_images=360,
        device="cpu", raw_pixels_knn=0.978,
    )  # fmt: skip


def steps_logged(first, count, value=1.0):
    series = tuple(value * (first + i) for i in range(count))
    return StepsLogged(
        step=first,
        total=series,
        terms=dict.fromkeys(("same", "mean", "diff"), series),
        grad_norm=series,
        learning_rate=series,
        steps_per_second=1.0,
        images_per_second=1.0,
        data_wait=0.0,
    )


def evaluated(step, split="validation", knn=0.9):
    return Evaluated(
        step=step, split=split, images=143, bank=1295, knn_representation=knn, knn_projection=knn, knn_raw_pixels=0.978,
        effective_rank=7.0, same_class_cosine=0.9, different_class_cosine=0.1, largest_class_cosine=-0.9, seconds=0.1,
    )  # fmt: skip


def write_events(run, *events):
    with run.events_path.open("a") as file:
        file.writelines(event.to_line() + "\n" for event in events)


def write_snapshot(run, step, rows):
    pixels, labels = load_digits(return_X_y=True)
    chosen = pixels[rows] / np.linalg.norm(pixels[rows], axis=1, keepdims=True)
    np.savez(
        run.embeddings / f"{step}.npz",
        embedding=chosen.astype(np.float32),
        labels=labels[rows].astype(np.int32),
        class_names=np.array(NAMES),
        step=np.int64(step),
    )
    np.savez(run.embeddings / "thumbnails.npz", images=load_digits().images[rows, ..., None].astype(np.uint8))


@pytest.fixture
def run(tmp_path):
    run = RunDirectory.create(tmp_path, "a", PRESETS["digits"].config)
    write_events(run, started(run), steps_logged(1, 40), evaluated(20), evaluated(40), evaluated(40, "test", 0.99))
    write_snapshot(run, 20, np.arange(60))
    write_snapshot(run, 40, np.arange(100))
    return run


def test_an_older_step_goes_into_its_own_folder_and_kinds_are_chosen(run, tmp_path):
    assert render(run.path, ["cosines", "curves"], step=20) == [
        run.plots / "20" / "curves.png",
        run.plots / "20" / "cosines.png",
    ]
    assert render(run.path, ["pca"], out=tmp_path / "new" / "there", dark=True) == [tmp_path / "new/there/pca.png"]
    assert list(run.plots.glob("*.png")) == []


def test_the_embedding_of_another_step_is_drawn_beside_the_whole_course(run, tmp_path):
    drawn = list(render_each(run.path, ["curves", "cosines"], snapshot_of=20))
    assert [(one.kind, one.step, one.path.parent) for one in drawn] == [
        ("curves", 40, run.plots),
        ("cosines", 20, run.plots),
    ]
    with pytest.raises(RunError, match="no snapshot of step 30"):
        render(run.path, ["cosines"], snapshot_of=30)


def test_dark_pictures_lie_beside_the_light_ones(run):
    [light], [dark], [late] = (
        render(run.path, ["curves"]),
        render(run.path, ["curves"], dark=True),
        render(run.path, ["curves"], step=20, dark=True),
    )
    assert (light, dark) == (run.plots / "curves.png", run.plots / "dark" / "curves.png")
    assert late == run.plots / "20" / "dark" / "curves.png"
    for path, paper in ((light, (255, 255, 255)), (dark, (0x10, 0x14, 0x1B))):
        with Image.open(path) as image:
            assert image.getpixel((2, 2))[:3] == paper
    assert folder_for(run, None, dark=True) == run.plots / "dark", "where simo2 plot puts the others, too"


def test_every_picture_names_its_run(run, monkeypatch):
    headers = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: headers.append(figure.texts[1].get_text()))
    render(run.path)
    assert len(headers) == len(KINDS)
    assert all(header.startswith("run a · digits · step 40 ") for header in headers), headers


def test_what_cannot_be_drawn_is_said(run, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean pca"):
        render(run.path, ["pcaa"])
    with pytest.raises(RunError, match="no snapshot of step 30; it has 20, 40"):
        render(run.path, step=30)
    with pytest.raises(RunError, match="no run directory"):
        render(tmp_path / "nowhere")
    empty = RunDirectory.create(tmp_path, "b", PRESETS["digits"].config)
    with pytest.raises(RunError, match="nothing to draw yet"):
        render(empty.path)
    with pytest.raises(RunError, match="nothing to draw pca from yet"):
        render(empty.path, ["pca"])


def test_an_embedding_that_is_not_finite_does_not_stop_the_curves(run):
    np.savez(
        run.embeddings / "50.npz",
        embedding=np.full((20, 2), np.nan, np.float32),
        labels=np.arange(20) % 10,
        class_names=np.array(NAMES),
        step=np.int64(50),
    )
    with pytest.raises(DataError, match="step 50 is not finite"):
        render(run.path)
    assert [path.name for path in run.plots.iterdir()] == ["curves.png"]


def test_the_course_counts_a_step_once_as_last_logged(run):
    write_events(run, started(run, 30), steps_logged(31, 20, value=-1.0), evaluated(40, knn=0.95))
    course = read_course(run)
    assert course.steps.tolist() == list(range(1, 51))
    assert course.losses["same"].tolist() == [*range(1, 31), *range(-31, -51, -1)]
    assert course.evaluated.tolist() == [20, 40]
    assert course.knn_representation.tolist() == [0.9, 0.95]
    assert course.test == (40, 0.99)
    # ten classes of sixteen: 10 · 120 same-class pairs, 45 pairs of means, 16 · 45 of different classes
    assert [(name, term.pairs) for name, term in course.terms.items()] == [
        ("total", 1965),
        ("same", 1200),
        ("mean", 45),
        ("diff", 720),
    ]
    assert course.terms["same"].floor == pytest.approx(1200 / 138)
    assert course.terms["diff"].floor == 720
    until = read_course(run, 20)
    assert until.steps.tolist() == list(range(1, 21))
    assert (until.evaluated.tolist(), until.test) == ([20], None)
    assert course.damage == ""
    with run.events_path.open("a") as log:
        log.write("nonsense\n")
    hurt = read_course(run)
    assert hurt.steps.tolist() == course.steps.tolist()
    assert "cannot be read, and is left out" in hurt.damage


def test_the_child_draws_every_kind_prints_json_and_loads_neither_jax_nor_pyplot(run):
    program = (
        "import sys; from simo2_core.analysis.render import main\n"
        f"code = main([{str(run.path)!r}])\n"
        "heavy = {'jax', 'flax', 'matplotlib.pyplot', 'textual'} & set(sys.modules)\n"
        "sys.exit(code or (f'loaded {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["plot"] for line in lines] == list(KINDS)
    assert lines[0] == {"plot": "curves", "path": str(run.plots / "curves.png"), "step": 40}
    assert {line["step"] for line in lines} == {40}
    for kind in KINDS:
        with Image.open(run.plots / f"{kind}.png") as image:
            image.verify()
            assert min(image.size) > 600


def test_the_child_ends_with_one_line_and_the_code_of_the_error(run, capsys, monkeypatch):
    monkeypatch.setattr("os.nice", lambda by: by)  # the test process keeps its own priority
    assert main([str(run.path), "--step", "3"]) == 1
    assert main([str(run.path), "--kinds", "nothing"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2


def test_pictures_that_a_run_waits_for_are_drawn_at_its_priority(run, monkeypatch):
    lowered = []
    monkeypatch.setattr("os.nice", lowered.append)
    assert main([str(run.path), "--kinds", "nothing"]) == 2
    assert lowered == [10]
    assert main([str(run.path), "--kinds", "nothing", "--awaited"]) == 2
    assert lowered == [10]


def test_the_curves_say_what_a_batch_is(run):
    course = read_course(run)
    assert "· 10 classes × 16 samples a batch · D 64 ·" in _curves_title(run, course, 40)
    run.write_config(
        run.config.replace({"objective": "cross_entropy", "sampling": "proportional", "samples_per_class": 16}), {}
    )
    assert "· 160 images a batch · D 64 ·" in _curves_title(run, course, 40)
