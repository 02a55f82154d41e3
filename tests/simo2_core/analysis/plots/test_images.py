"""Pictures made of images: neighbours, augmentation, filters, and the animation."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from simo2_core.analysis.plots.animate import draw_animation
from simo2_core.analysis.plots.augmentation import draw_augmentation
from simo2_core.analysis.plots.filters import draw_filters
from simo2_core.analysis.plots.neighbours import choose_queries, draw_neighbours, nearest
from simo2_core.analysis.plots.style import DARK, Caption
from simo2_core.analysis.snapshot import Snapshot
from simo2_core.errors import DataError
from tests.simo2_core.analysis.plots.test_pictures import assert_legible, texts_of

PIXELS, LABELS = load_digits(return_X_y=True)
ROWS = np.arange(0, 1797, 9)
NAMES = [str(i) for i in range(10)]


def test_neighbours_are_those_of_scikit_learn():
    points = PIXELS[ROWS]
    found, cosines = nearest(points, np.arange(len(points)), 5)
    distances, wanted = NearestNeighbors(n_neighbors=6, metric="cosine").fit(points).kneighbors(points)
    np.testing.assert_allclose(1 - cosines, distances[:, 1:], atol=1e-9)
    assert np.mean(found == wanted[:, 1:]) > 0.99, "but for equals"


def test_queries_are_of_every_class_right_and_wrong():
    labels = np.repeat(np.arange(4), 5)
    wrong = np.zeros(20, bool)
    wrong[[7, 8, 19]] = True
    assert choose_queries(labels, 20, wrong).tolist() == [0, 5, 7, 10, 15, 19]
    assert choose_queries(labels, 3, np.ones(20, bool)).tolist() == [0, 10, 15]
    many = np.repeat(np.arange(100), 2)
    chosen = choose_queries(many, 20, many % 2 == 0)
    assert len(chosen) == 20
    assert np.mean(many[chosen] % 2 == 0) == 0.5


def test_right_and_wrong_neighbours_are_marked(tmp_path, laid_out):
    labels = np.array([0, 0, 0, 1, 1])
    angles = np.radians([0, 1, 2, 90, 10])  # the last one looks like the first class
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    images = np.zeros((5, 3, 3, 1), np.uint8)
    caption = Caption("x", 1, 5)
    draw_neighbours(tmp_path / "x.png", points, labels, ["cat", "dog"], caption, images, theme=DARK)
    assert_legible(laid_out[0])
    words = [word for word, _ in texts_of(laid_out[0])]
    assert [sum(word.startswith(mark) for word in words) for mark in ("✓", "✗ dog", "✗ cat")] == [4, 2, 6]
    assert "is right for 80.0%" in " ".join(" ".join(words).split())
    with pytest.raises(DataError, match="needs two"):
        draw_neighbours(tmp_path / "x.png", points[:1], labels[:1], ["cat"], caption, images[:1])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_filters_are_sorted_by_strength(tmp_path, coarse, channels):
    kernel = np.random.default_rng(0).normal(size=(3, 3, channels, 70)) * np.linspace(0.1, 1, 70)
    kernel[..., 4] = 0
    paths = [draw_filters(tmp_path / f"{i}.png", kernel, "YatConv", "digits · step 4") for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    coarse[0].draw_without_rendering()
    assert_legible(coarse[0])
    words = [word for word, _ in texts_of(coarse[0])]
    norms = [float(word) for word in words if word.replace(".", "").isdigit()]
    assert norms == sorted(norms, reverse=True)
    assert norms[0] == pytest.approx(np.linalg.norm(kernel.reshape(-1, 70), axis=0).max(), abs=0.006)
    assert len(norms) == 64
    assert "The 64 strongest of 70." in " ".join(words)


def test_augmentation_shows_each_image_and_its_draws(tmp_path, laid_out):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
    views = np.repeat(images[:, None] / 255, 5, axis=1) * 1.2
    draw_augmentation(tmp_path / "x.png", images, views, "digits · seed 0", "Augmentation: brightness 0.2.")
    assert_legible(laid_out[0])
    shown = laid_out[0].axes[0].images
    assert len(shown) == 3 * 6
    np.testing.assert_allclose(shown[0].get_array(), images[0] / 255)


def snapshots(turned):
    rng = np.random.default_rng(1)
    rows = PIXELS[ROWS] / np.linalg.norm(PIXELS[ROWS], axis=1, keepdims=True)
    for step in (10, 20, 30):
        turn = np.linalg.qr(rng.normal(size=(64, 64)))[0] if turned else np.eye(64)
        yield Snapshot((rows @ turn).astype(np.float32), LABELS[ROWS].astype(np.int32), tuple(NAMES), step)


def test_the_animation_does_not_turn_and_stays_on_the_last_frame(tmp_path):
    path = draw_animation(tmp_path / "a.gif", list(snapshots(turned=True)), "digits")
    again = draw_animation(tmp_path / "b.gif", list(snapshots(turned=True)), "digits")
    assert path.read_bytes() == again.read_bytes()
    with Image.open(path) as image:
        assert image.n_frames == 3
        assert image.info["loop"] == 0
        frames, durations = [], []
        for number in range(3):
            image.seek(number)
            durations.append(image.info["duration"])
            frames.append(np.asarray(image.convert("RGB"), int))
    assert durations[-1] > 5 * durations[0]
    below = frames[0].shape[0] // 5  # the header says the step
    assert np.mean(np.abs(frames[0] - frames[2])[below:] > 40) < 1e-3, "the same embedding, turned, is drawn the same"


def test_an_animation_needs_two_frames(tmp_path):
    first, second, third = snapshots(turned=False)
    lost = Snapshot(np.full_like(second.embedding, np.nan), second.labels, second.class_names, 20)
    with pytest.raises(DataError, match="there are 1"):
        draw_animation(tmp_path / "a.gif", [lost, third], "digits")
    assert draw_animation(tmp_path / "a.gif", [first, lost, third], "digits").stat().st_size > 1000
