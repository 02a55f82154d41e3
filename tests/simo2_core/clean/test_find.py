"""What is planted among images is found, and nothing else."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from simo2_core.clean import find
from simo2_core.clean.find import Findings, find_doubts
from simo2_core.errors import DataError
from tests.simo2_core.clean.doubtful import CONFLICT, LEAK, MISLABELLED, OUTLIER, Doubtful, make_doubtful


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doubtful]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_doubtful(tmp_path_factory.mktemp("doubtful"), patch)


@pytest.fixture(scope="module")
def found(made: Doubtful) -> Findings:
    return find_doubts(made.run, made.checkpoint)


def test_wrong_labels_are_found_with_the_right_ones(found: Findings) -> None:
    doubts = found.doubts
    assert doubts is not None
    wrong = {found.names[row]: found.class_names[doubts.suggested[row]] for row in found.mislabelled}
    assert {name: wrong.pop(name) for name in MISLABELLED} == MISLABELLED
    assert wrong == {CONFLICT[1]: "cat"}, "the copy among the emus is wrong as well"
    assert (np.diff(doubts.doubt[found.mislabelled]) <= 0).all(), "the worst comes first"
    assert sum(count for _, _, count in found.confused()) == 3
    assert found.to_json()["confused"][0]["images"] == max(count for _, _, count in found.confused())


def test_pairs_are_found_across_parts_first_then_across_classes(found: Findings) -> None:
    pairs = [{found.names[pair.first], found.names[pair.second]} for pair in found.pairs]
    assert pairs == [set(LEAK), set(CONFLICT)]
    assert [found.is_leak(pair) for pair in found.pairs] == [True, False]
    assert [found.is_conflict(pair) for pair in found.pairs] == [False, True]


def test_what_is_like_nothing_else_is_found(found: Findings) -> None:
    assert [found.names[row] for row in found.outliers] == [OUTLIER]


def test_rows_lead_back_to_images_and_files(made: Doubtful, found: Findings) -> None:
    assert found.files is not None
    for row in (0, len(found) // 2, len(found) - 1):
        assert found.files[row] == str(made.root / found.names[row])
        part = made.dataset.parts[found.parts[found.part[row]]]
        inside = row - np.flatnonzero(found.part == found.part[row])[0]
        np.testing.assert_array_equal(found.image(row), part.gather()[inside])
        assert found.class_names[found.labels[row]] == Path(found.names[row]).parent.name


def test_it_says_whether_the_encoder_knows_the_labels(made: Doubtful, found: Findings) -> None:
    assert found.taught
    assert find_doubts(made.run, made.checkpoint, data=str(made.root)).taught, "the same images by their name"
    begun = made.run.checkpoints / "0"
    assert not find_doubts(made.run, begun).taught, "weights that have taken no step"


def test_too_many_images_are_refused_before_they_are_embedded(made: Doubtful, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MOST_IMAGES", 47)
    with pytest.raises(DataError, match="set has 48 images; each is compared with all others"):
        find_doubts(made.run, made.checkpoint)


def test_a_heap_has_no_labels_to_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_doubtful(tmp_path, monkeypatch)
    heap = tmp_path / "heap"
    heap.mkdir()
    for path in (made.root / "train").glob("*/*"):
        (heap / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    found = find_doubts(made.run, made.checkpoint, data=str(heap))
    assert (found.doubts, found.confused(), len(found.mislabelled)) == (None, [], 0)
    assert [{found.names[pair.first], found.names[pair.second]} for pair in found.pairs] == [{"cat-2.png", "emu-2.jpg"}]
    assert found.to_json()["labels_doubted"] == 0


def test_unseen_classes_are_classes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_doubtful(tmp_path, monkeypatch)
    unseen = dataclasses.replace(made.dataset, unseen=made.dataset.test, unseen_classes=("yak", "owl", "ant"))
    names, part, labels = find._labels(unseen)
    assert names == ("cat", "dog", "emu", "yak", "owl", "ant")
    assert set(labels[part == 3].tolist()) == {3, 4, 5}
