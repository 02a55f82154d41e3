from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simo2_core.analysis.classification import classification
from simo2_core.analysis.few_shot import Estimate
from simo2_core.errors import RunError
from simo2_core.evaluation.assess import Labels
from simo2_core.evaluation.measures import choose_metrics, own_metrics, rows_of
from simo2_core.metrics.metric import Row
from simo2_tui.cli import eval
from simo2_tui.cli.eval import _HEADS, _fitting, _headlines, _origins, _per_class, _table


def test_columns_never_touch_whatever_the_numbers() -> None:
    for value, interval in ((-0.03, 0.07), (28.98, 0.25), (1.0, 0.1), (0.5, float("nan")), (1e24, float("nan"))):
        rows = [*rows_of(augmented=True), Row("mine", "a label of a stranger that is long", "a heading")]
        scores = {row.key: Estimate(value, interval) for row in rows if value <= 1 or not row.share}
        lines = _table(rows, dict.fromkeys(_HEADS, scores))
        assert max(map(len, lines)) <= 80
        for row in rows:
            label = _fitting(row.label)
            cells = next(line for line in lines if line.startswith(f" {label} "))[len(label) + 1 :].split()
            assert len(cells) == len(_HEADS), label
            assert len(set(cells)) == 1


def assessed(labels: Labels) -> Any:
    found = classification(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=3)
    return SimpleNamespace(
        classes=found,
        class_names=["a", "b", "c"],
        untested=["c"],
        labels=labels,
        augmented_probes={},
        rows=rows_of(),
        metrics=own_metrics(),
        problems={"mine.py:X": "ZeroDivisionError: no"},
        images={"train": labels.used, "validation": 9, "test": 3},
    )


def test_a_class_without_test_images_has_dashes_and_a_warning() -> None:
    lines = _per_class(assessed(Labels(9, 9, 9)))
    assert lines[3].split() == ["b", "2", "100.0%", "50.0%", "66.7%"]
    assert lines[4].split() == ["c", "0", "–", "–", "–"]
    assert "Warning: test has no image of 1 of 3 classes: c." in lines[5]


def test_which_labels_count_is_said_where_training_was_given_few() -> None:
    few, every, usual = (
        " ".join(_origins(assessed(labels)))
        for labels in (Labels(129, 129, 1295), Labels(1295, 129, 1295), Labels(1295, 1295, 1295))
    )
    assert "Labels: the 129 of 1,295 that training was given; --all-labels takes all of them." in few
    assert "Labels: all 1,295 of train. Training was given 129 of them, which are the default here." in every
    assert "Labels:" not in usual
    assert "Warning: the metric mine.py:X could not measure all: ZeroDivisionError: no." in usual


def test_neighbours_and_class_means_come_first_with_their_intervals() -> None:
    scores = {"knn_20": Estimate(0.99721, 0.0071), "nearest_class_mean": Estimate(0.5, 0.05)}
    worth = {name: SimpleNamespace(scores=scores) for name in ("representation", "raw_pixels")}
    found: Any = SimpleNamespace(rows=rows_of(), worth=worth)
    assert _headlines(found) == [
        "kNN k=20: 99.7 ± 0.7%, of pixels 99.7 ± 0.7%",
        "nearest class mean: 50.0 ± 5.0%, of pixels 50.0 ± 5.0%",
    ]
    found.rows = rows_of(choose_metrics(["knn:neighbours=1,5"]))
    assert len(_headlines(found)) == 1


def test_what_was_measured_is_said_where_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(eval, "_headlines", lambda _: ["kNN k=20: 99.7%"])
    monkeypatch.setattr(eval, "_one_run", lambda _: ["the table"])
    found: Any = SimpleNamespace(checkpoint="runs/one/checkpoints/4", data="digits", images={"test": 360}, to_json=dict)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="a file is in the way while writing"):
        eval._show(found, tmp_path / "file", SimpleNamespace(path=tmp_path), False, False)  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "kNN k=20: 99.7%\nthe table\nWritten: nothing\n" in said
