"""Every picture for few and many classes: a whole file, the same bytes twice, no text off the page or over another."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from sklearn.datasets import load_digits

from simo2_core.analysis.course import Course
from simo2_core.analysis.plots.cosines import draw_cosines
from simo2_core.analysis.plots.curves import draw_curves, short, usual_top
from simo2_core.analysis.plots.neighbours import draw_neighbours
from simo2_core.analysis.plots.pairs import draw_pairs
from simo2_core.analysis.plots.scatter import draw_pca, draw_tsne
from simo2_core.analysis.plots.similarity import draw_similarity
from simo2_core.analysis.plots.style import DARK, Caption
from simo2_core.errors import DataError, RunError
from simo2_core.objectives.objective import Term


def draw_some_neighbours(path, embedding, labels, class_names, caption, **options):
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 6, 6, 3), dtype=np.uint8)
    return draw_neighbours(path, embedding, labels, class_names, caption, images, **options)


DRAWERS: dict[str, Any] = {
    "pca": draw_pca,
    "tsne": draw_tsne,
    "similarity": draw_similarity,
    "pairs": draw_pairs,
    "cosines": draw_cosines,
    "neighbours": draw_some_neighbours,
}
NAMES = ["aquarium_fish", "sweet_pepper_in_a_very_long_folder_name_2024", "Straße $5$ and $6$", "東京タワー", "a\nb\tc"]


def clusters(classes, dimensions, each, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dimensions))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    centres[1] = -centres[0]
    labels = np.repeat(np.arange(classes, dtype=np.int32), each)
    rows = centres[labels] + 0.1 * rng.normal(size=(classes * each, dimensions))
    names = [NAMES[i] if i < len(NAMES) else f"class_name_{i:03d}" for i in range(classes)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels, names


def texts_of(figure):
    renderer = figure.canvas.get_renderer()
    for text in figure.findobj(Text):
        hidden = not text.get_visible() or (text.axes is not None and not text.axes.get_visible())
        if not hidden and text.get_text().strip():
            yield text.get_text(), text.get_window_extent(renderer)


def assert_legible(figure):
    width, height = figure.canvas.get_width_height()
    boxes = [(word, box) for word, box in texts_of(figure) if box.width > 0]
    ticks_off_axes = set()
    for axes in figure.axes:  # matplotlib keeps tick labels beyond the limits, and does not draw them
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            for tick in axis.get_major_ticks():
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    ticks_off_axes.update({tick.label1.get_text(), tick.label2.get_text()})
    boxes = [(word, box) for word, box in boxes if word not in ticks_off_axes]
    for word, box in boxes:
        assert box.x0 >= -1, word
        assert box.y0 >= -1, word
        assert box.x1 <= width + 1, word
        assert box.y1 <= height + 1, word
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        if a.padded(-1.5).overlaps(b.padded(-1.5)):
            pytest.fail(f"{one!r} lies over {two!r}")


@pytest.mark.parametrize("kind", DRAWERS)
@pytest.mark.parametrize(("classes", "dimensions", "each"), [(2, 16, 12), (10, 16, 14), (104, 32, 3)])
def test_no_text_is_off_the_page_or_over_another(tmp_path, laid_out, kind, classes, dimensions, each):
    embedding, labels, names = clusters(classes, dimensions, each)
    DRAWERS[kind](tmp_path / "x.png", embedding, labels, names, Caption("a preset", 400, len(labels), run="a"))
    assert_legible(laid_out[0])
    header = " ".join(word for word, _ in texts_of(laid_out[0]))
    assert f"run a · a preset · step 400 · {len(labels)} validation images" in header


@pytest.mark.parametrize("kind", DRAWERS)
def test_the_same_digits_give_the_same_bytes(tmp_path, coarse, kind):
    pixels, labels = load_digits(return_X_y=True)
    rows = np.arange(0, 1797, 12)
    pixels = pixels[rows] / np.linalg.norm(pixels[rows], axis=1, keepdims=True)
    arguments = (pixels, labels[rows], [str(i) for i in range(10)], Caption("digits", 400, len(rows)))
    first, second = (DRAWERS[kind](tmp_path / f"{i}" / "picture.png", *arguments).read_bytes() for i in range(2))
    assert first == second
    with Image.open(tmp_path / "0" / "picture.png") as image:
        image.load()
        assert min(image.size) > 150
        assert "Software" not in image.info
        assert image.getpixel((2, 2))[:3] == (255, 255, 255)
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["picture.png"]


def test_dark_is_light_on_dark(tmp_path, coarse):
    embedding, labels, names = clusters(4, 8, 6)
    path = draw_similarity(tmp_path / "x.png", embedding, labels, names, Caption("x", 1, 24), theme=DARK)
    with Image.open(path) as image:
        assert image.getpixel((2, 2))[:3] == (0x10, 0x14, 0x1B)
    coarse[0].draw_without_rendering()
    assert_legible(coarse[0])


def test_each_of_two_hundred_classes_is_named(tmp_path, laid_out):
    embedding, labels, _ = clusters(200, 32, 4)
    names = [f"species_of_a_long_name_{i:03d}" for i in range(200)]
    draw_pca(tmp_path / "x.png", embedding, labels, names, Caption("x", 1, len(labels)))
    assert_legible(laid_out[0])
    words = [word for word, _ in texts_of(laid_out[0])]
    assert all(any(word.endswith(f"{i:03d}") for word in words) for i in range(200))


@pytest.mark.parametrize("apart", [True, False])
def test_what_is_said_of_the_names_of_very_many_classes_is_so(tmp_path, laid_out, apart):
    turn = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    labels = np.repeat(np.arange(300, dtype=np.int32), 4)
    points = np.stack([np.cos(turn), np.sin(turn)], axis=1)[labels if apart else labels[::-1] % 7]
    points = points + np.random.default_rng(0).normal(0, 1e-4, points.shape)
    draw_pca(tmp_path / "x.png", points, labels, [f"n{i}" for i in range(300)], Caption("x", 1, len(labels)))
    words = [word for word, _ in texts_of(laid_out[0])]
    said = " ".join(words)
    named = [word for word in words if word[:1] == "n" and word[1:].isdigit()]
    assert ("at most 60 that keep to themselves are named" in said) == apart
    assert ("none of the 300 is named" in said) == (not apart)
    assert (10 < len(named) <= 60) if apart else not named


def test_most_images_are_sampled_and_said_so(tmp_path, laid_out):
    embedding, labels, names = clusters(5, 4, 1200)
    draw_pca(tmp_path / "x.png", embedding, labels, names, Caption("big", 1, 6000))
    draw_cosines(tmp_path / "y.png", embedding, labels, names, Caption("big", 1, 6000))
    draw_pairs(tmp_path / "z.png", embedding, labels, names, Caption("big", 1, 6000))
    assert any("4,000 of the 6,000 images" in word for word, _ in texts_of(laid_out[0]))
    assert "At most 60 of a class's images are drawn, of up to 1,200" in " ".join(
        word for word, _ in texts_of(laid_out[2])
    )
    assert any("2,048 of the 6,000 images" in word for word, _ in texts_of(laid_out[1]))


def test_a_class_without_images_is_left_blank(tmp_path, laid_out):
    embedding, labels, names = clusters(4, 8, 6)
    kept = labels != 2
    for draw in DRAWERS.values():
        draw(tmp_path / "x.png", embedding[kept], labels[kept], names, Caption("x", 1, int(kept.sum())))
    assert any("having no images: 1 of 4" in word for figure in laid_out for word, _ in texts_of(figure))


def test_refusals(tmp_path):
    caption = Caption("x", 1, 3)
    with pytest.raises(DataError, match="two classes"):
        draw_pairs(tmp_path / "x.png", np.eye(3), np.zeros(3, int), ["one", "two"], caption)
    with pytest.raises(DataError, match="cannot be drawn"):
        draw_pca(tmp_path / "x.png", np.full((3, 2), np.nan), np.zeros(3, int), ["one"], caption)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="a file is in the way"):
        draw_cosines(tmp_path / "file" / "x.png", np.eye(3), np.arange(3), list("abc"), caption)


TERMS = ("total", "same", "mean", "diff")


def course(steps, evaluations, *, broken=False, classes=10, dimensions=16):
    rng = np.random.default_rng(0)
    fall = np.exp(-np.arange(steps) / max(steps, 1) * 5)
    losses = {name: 100 * (1 + fall * rng.lognormal(0, 0.2, steps)) for name in TERMS}
    if broken:
        losses["total"][-3:] = [np.nan, np.inf, -np.inf]
    seen = np.linspace(1, steps, evaluations).astype(int) if evaluations else np.zeros(0, int)
    return Course(
        steps=np.arange(1, steps + 1),
        losses=losses,
        grad_norm=1e3 * fall,
        learning_rate=4e-3 * fall,
        evaluated=seen,
        knn_representation=np.linspace(0.6, 0.99, evaluations),
        knn_projection=np.linspace(0.5, 0.98, evaluations),
        knn_raw_pixels=0.978,
        effective_rank=np.linspace(2, 9, evaluations),
        test=(steps, 0.99) if evaluations else None,
        terms={name: Term(name, 100, 100.0) for name in TERMS},
        classes=classes,
        classes_per_batch=classes,
        dimensions=dimensions,
    )


@pytest.mark.parametrize(("steps", "evaluations"), [(1, 0), (0, 1), (5, 1), (3000, 70)])
def test_curves_of_any_length(tmp_path, laid_out, steps, evaluations):
    draw_curves(tmp_path / "x.png", course(steps, evaluations), "digits · step 400")
    assert_legible(laid_out[0])


def test_the_same_course_gives_the_same_bytes(tmp_path, coarse):
    paths = [draw_curves(tmp_path / f"{name}.png", course(90, 2), "digits · step 90") for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_curves_show_the_spike_the_floor_and_what_is_not_finite(tmp_path, laid_out):
    long = course(5000, 3, broken=True, classes=100, dimensions=16)
    long.losses["same"][2500] = 1e6
    draw_curves(tmp_path / "curves.png", long, "x")
    words = [word for word, _ in texts_of(laid_out[0])]
    assert "3 not finite, the first at step 4,998" in words
    assert words.count("floor 1") == 4
    assert any("cannot be reached" in word for word in words)
    total, same = laid_out[0].axes[:2]
    assert max(line.get_ydata().max() for line in same.lines if len(line.get_ydata()) > 2) == 1e4
    marks = next(line for line in total.lines if line.get_marker() == "x")
    assert marks.get_xdata().tolist() == [4998, 4999, 5000]


def test_the_first_steps_do_not_press_the_others_flat(tmp_path, laid_out):
    early = course(400, 3)
    early.losses["same"][:3] = 1e5
    pairs = early.terms["same"].pairs
    draw_curves(tmp_path / "curves.png", early, "x")
    same = laid_out[0].axes[1]
    assert same.get_ylim()[1] < 2 * early.losses["same"][3:].max() / pairs
    arrows = next(line for line in same.lines if line.get_marker() == "^")
    assert {1, 2, 3} <= set(arrows.get_xdata().tolist())
    assert usual_top(np.linspace(0, 1, 100)) == np.inf
    assert usual_top(np.array([1.0, 2.0, 1e6])) == np.inf, "too few to call any unusual"


def test_ticks_are_short():
    numbers = (1e-7, 0.05, 700, 1000, 2e4, 5e5, 1e6, 3e8, 2e12)
    assert [short(number) for number in numbers] == ["1e-7", "0.05", "700", "1k", "20k", "500k", "1M", "300M", "2e12"]


@pytest.mark.parametrize(("raw", "side"), [(1.0, "top"), (0.7, "bottom")])
def test_a_line_at_the_top_of_a_panel_is_named_below_it_and_not_in_the_title(tmp_path, laid_out, raw, side):
    draw_curves(tmp_path / "curves.png", replace(course(90, 4), knn_raw_pixels=raw), "x")
    [name] = [text for axes in laid_out[0].axes for text in axes.texts if text.get_text().startswith("raw pixels")]
    assert name.get_va() == side, "which side of the words is at the line"
    [name] = [text for axes in laid_out[0].axes for text in axes.texts if "one direction each" in text.get_text()]
    assert name.get_va() == "bottom"
