import dataclasses

import numpy as np
import pytest

from simo2_core.analysis import geometry
from simo2_core.evaluation.evaluate import alarms
from simo2_core.events import Evaluated
from simo2_core.objectives.cross_entropy import CrossEntropy
from simo2_core.objectives.simo2 import Simo2
from simo2_core.objectives.supcon import SupCon

SIMO2 = Simo2()
BATCH = (26, 4)
SOUND = Evaluated(step=5, split="validation", images=9, bank=9,
                  knn_representation=0.9, knn_projection=0.9, knn_raw_pixels=0.9,
                  effective_rank=8.0, same_class_cosine=0.9, different_class_cosine=0.1, largest_class_cosine=0.2,
                  seconds=0.0)  # fmt: skip


def test_a_sound_embedding_raises_none_and_each_alarm_is_raised_once() -> None:
    assert alarms(SOUND, set(), SIMO2, BATCH) == []
    already: set[str] = set()
    bad = dataclasses.replace(SOUND, effective_rank=1.2, same_class_cosine=-0.1, largest_class_cosine=-0.95)
    assert [alarm.code for alarm in alarms(bad, already, SIMO2, BATCH)] == [
        "collapse",
        "same_class_opposite",
        "classes_opposite",
    ]
    assert alarms(bad, already, SIMO2, BATCH) == []
    assert all(alarm.cure and alarm.step == 5 for alarm in alarms(bad, set(), SIMO2, BATCH))


def test_opposite_classes_are_told_beside_a_pair_that_is_still_more_alike() -> None:
    hidden = dataclasses.replace(SOUND, largest_class_cosine=0.97, least_class_cosine=-0.94)
    (alarm,) = alarms(hidden, set(), SIMO2, BATCH)
    assert alarm.code == "classes_opposite"
    assert "cosine -0.94" in alarm.message
    assert alarms(dataclasses.replace(hidden, least_class_cosine=-0.89), set(), SIMO2, BATCH) == []
    assert alarms(dataclasses.replace(hidden, least_class_cosine=None), set(), SIMO2, BATCH) == []  # a run of before


@pytest.mark.parametrize(("rank", "raised"), [(1.0, True), (1.49, True), (1.51, False), (16.0, False)])
def test_collapse_begins_below_one_and_a_half(rank: float, raised: bool) -> None:
    assert bool(alarms(dataclasses.replace(SOUND, effective_rank=rank), set(), SIMO2, BATCH)) == raised


def test_constructed_embeddings_raise_what_they_should() -> None:
    labels_n = np.repeat(np.arange(4, dtype=np.int32), 10)
    noise_nd = np.random.default_rng(0).normal(0, 0.01, (40, 8))

    def unit(
        z_nd: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return (z_nd / np.linalg.norm(z_nd, axis=1, keepdims=True)).astype(np.float32)

    one_line_nd = unit(np.eye(8)[np.zeros(40, int)] + noise_nd)
    orthogonal_nd = unit(np.eye(8)[labels_n] + noise_nd)
    flipped_nd = unit(np.eye(8)[labels_n] * np.where(np.arange(40) % 2, 1.0, -1.0)[:, None] + noise_nd)
    codes = {}
    for name, z_nd in (("line", one_line_nd), ("orthogonal", orthogonal_nd), ("flipped", flipped_nd)):
        event = dataclasses.replace(
            SOUND,
            effective_rank=geometry.effective_rank(z_nd),
            same_class_cosine=geometry.cosine_distributions(z_nd, labels_n).same_mean,
        )
        codes[name] = [alarm.code for alarm in alarms(event, set(), SIMO2, BATCH)]
    assert codes == {"line": ["collapse"], "orthogonal": [], "flipped": ["same_class_opposite"]}


def test_pairs_that_are_stuck_at_a_right_angle_are_told_once_with_a_cure_that_is_not_taken_yet() -> None:
    stuck = dataclasses.replace(SOUND, stuck_pairs=0.0625)
    already: set[str] = set()
    [alarm] = alarms(stuck, already, SIMO2, BATCH)
    assert alarm.code == "pairs_stuck"
    assert "6% of the same-class pairs" in alarm.message
    assert alarms(stuck, already, SIMO2, BATCH) == []
    for settings, batch, cure in (
        ({}, BATCH, "--samples-per-class"),
        ({"published": True}, BATCH, "Leave out --published, and"),
        ({"pull": 1}, BATCH, "--pull auto, and"),
        ({"pull": 1}, (10, 50), "--samples-per-class"),  # auto is 1 there as well
        ({"published": True}, (10, 50), "--samples-per-class"),
        ({"pull": "balanced"}, BATCH, "--pull auto, and"),
        ({"pull": 3.0, "epsilon": 1.0}, BATCH, "--pull auto, and"),
        ({"pull": 20.0, "epsilon_start": 1.0}, BATCH, "--samples-per-class"),
    ):
        assert cure in alarms(stuck, set(), Simo2(**settings), batch)[0].cure  # type: ignore[arg-type]
    assert alarms(stuck, set(), SIMO2, BATCH, 0.2) == [], "at the beginning every run has some"
    assert len(alarms(stuck, set(), SIMO2, BATCH, 0.25)) == 1
    few = dataclasses.replace(stuck, stuck_pairs=0.0138)
    assert len(alarms(few, set(), SIMO2, BATCH)) == 1, "letters 26 x 4: 48%"
    assert alarms(few, set(), SIMO2, BATCH, 0.9) == [], "some of them are still gathered"
    for share in (None, float("nan"), 0.0, 0.01):
        assert alarms(dataclasses.replace(stuck, stuck_pairs=share), set(), SIMO2, BATCH) == []
    assert alarms(stuck, set(), SupCon(), BATCH) == [], "its slope at a right angle is not 0"


def test_the_cure_is_an_option_that_exists_and_fits_the_objective() -> None:
    bad = dataclasses.replace(SOUND, same_class_cosine=-0.1, largest_class_cosine=-0.95)
    cures = {alarm.code: alarm.cure for alarm in alarms(bad, set(), Simo2(distance="euclidean"), BATCH)}
    assert "--distance line" in cures["classes_opposite"]
    assert "--bias" in cures["same_class_opposite"]
    lines = {alarm.code: alarm.cure for alarm in alarms(bad, set(), Simo2(distance="line"), BATCH)}
    assert "--distance line" not in lines["classes_opposite"]
    assert alarms(bad, set(), CrossEntropy(), BATCH) == []
