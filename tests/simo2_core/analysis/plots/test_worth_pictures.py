import numpy as np
import pytest

from simo2_core.analysis.classification import classification
from simo2_core.analysis.few_shot import Estimate
from simo2_core.analysis.plots.evaluation import DotRow, draw_confusion, draw_scores
from simo2_core.analysis.plots.style import Caption
from tests.simo2_core.analysis.plots.test_pictures import assert_legible, texts_of

NAMES = ["aquarium_fish", "sweet_pepper_in_a_very_long_folder_name_2024", "Straße $5$", "東京タワー", "a\nb\tc"]


@pytest.mark.parametrize("classes", [2, 104])
def test_confusions_are_legible(tmp_path, laid_out, classes):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 30)
    predicted = np.where(random.random(len(labels)) < 0.8, labels, random.integers(0, classes, len(labels)))
    names = [NAMES[i] if i < len(NAMES) else f"class_name_{i:03d}" for i in range(classes)]
    found = classification(labels, predicted, classes=classes)
    caption = Caption("a preset", 400, len(labels), "test")
    draw_confusion(tmp_path / "x.png", found, names, caption, "kNN")
    assert_legible(laid_out[0])
    words = " ".join(word for word, _ in texts_of(laid_out[0]))
    assert f"{np.sum(labels == predicted):,} of {len(labels):,} right" in words
    row, column, count = found.worst_confusions(1)[0]
    assert f"({count})" in words
    assert found.confusion[row, column] == count


def test_the_same_confusions_give_the_same_bytes(tmp_path, coarse):
    found, names = classification(np.arange(10), np.arange(10) // 2, classes=10), [str(i) for i in range(10)]
    paths = [draw_confusion(tmp_path / f"{i}.png", found, names, Caption("x", 1, 10), "kNN") for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    coarse[0].draw_without_rendering()
    assert_legible(coarse[0])


def test_scores_are_where_they_belong(tmp_path, coarse):
    rows = [DotRow("a", "nearest class mean"), DotRow("b", "10 labels a class"), DotRow("c", "kNN k=20")]
    names = ["representation", "projection", "raw_pixels", "random_representation", "random_projection"]
    scores = {
        name: {"a": Estimate(0.9 - 0.1 * i, float("nan")), "b": Estimate(0.5, 0.03)} for i, name in enumerate(names)
    }
    paths = [draw_scores(tmp_path / f"{i}.png", scores, rows, "digits · step 1", ["a note"]) for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    coarse[0].draw_without_rendering()
    assert_legible(coarse[0])
    bars = coarse[0].axes[0].containers
    assert [bar[0].get_xdata().tolist() for bar in bars] == [pytest.approx([0.9 - 0.1 * i, 0.5]) for i in range(5)]
    heights = [bar[0].get_ydata() for bar in bars]
    assert all(abs(y - row) < 0.5 for height in heights for row, y in enumerate(height)), "each in its own row"
