"""That each row of the table is the measure it says, on the part it says: against scikit-learn or its definition."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

from simo2_core.analysis import geometry, neural_collapse
from simo2_core.analysis.clusters import matched_accuracy
from simo2_core.analysis.few_shot import episodes, k_shot
from simo2_core.analysis.probe import nearest_mean_by_r
from simo2_core.analysis.retrieval import retrieval
from simo2_core.data.dataset import UNSEEN
from simo2_core.errors import ConfigError, DivergedError
from simo2_core.evaluation.measures import Worth, choose_metrics, measure, rows_of
from simo2_core.metrics.geometry import Geometry
from simo2_core.metrics.retrieval import Retrieve

PIXELS, LABELS = load_digits(return_X_y=True)
PIXELS, LABELS = PIXELS[:700].astype(np.float32), LABELS[:700].astype(np.int32)
ROWS = {"train": slice(0, 400), "validation": slice(400, 500), "test": slice(500, 700)}
X = {part: PIXELS[rows] for part, rows in ROWS.items()}
Y = {part: LABELS[rows] for part, rows in ROWS.items()}


@pytest.fixture(scope="module")
def found() -> Worth:
    return measure(X, Y, classes=10, say=lambda _: None)


def value(found: Worth, key: str) -> float:
    return found.scores[key].mean


@pytest.mark.parametrize("k", [1, 10, 20, 200])
def test_neighbours(found: Worth, k: int) -> None:
    theirs = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07))
    assert value(found, f"knn_{k}") == pytest.approx(theirs.fit(X["train"], Y["train"]).score(X["test"], Y["test"]))


def test_the_probe_is_fitted_on_train_chosen_on_validation_and_scored_on_test(found: Worth) -> None:
    scaler = StandardScaler().fit(X["train"])
    model = LogisticRegression(C=found.details["probe"]["C"], max_iter=10_000).fit(
        scaler.transform(X["train"]), Y["train"]
    )
    assert value(found, "linear_probe") == pytest.approx(model.score(scaler.transform(X["test"]), Y["test"]), abs=1e-6)
    assert found.details["probe"]["validation"] == pytest.approx(
        model.score(scaler.transform(X["validation"]), Y["validation"])
    )
    means = np.stack([scaler.transform(X["train"])[Y["train"] == c].mean(axis=0) for c in range(10)])
    weights, centred = model.coef_ - model.coef_.mean(axis=0), means - means.mean(axis=0)
    apart = weights / np.linalg.norm(weights) - centred / np.linalg.norm(centred)
    assert value(found, "nc3") == pytest.approx(np.sum(apart**2), abs=1e-3), "two solvers, each stopped a little early"
    nearest = KNeighborsClassifier(1).fit(means, np.arange(10)).predict(scaler.transform(X["test"]))
    assert value(found, "nc4") == pytest.approx(np.mean(nearest != model.predict(scaler.transform(X["test"]))))


def test_means_by_r_are_chosen_by_the_score_of_the_loss_itself(found: Worth) -> None:
    bank, asked = (normalize(X[part].astype(np.float64)) for part in ("train", "test"))
    means = [bank[Y["train"] == c].mean(axis=0) for c in range(10)]

    def r(a: Any, b: Any) -> float:
        return float((a @ b) ** 2 / (1 / 137 + np.sum((a - b) ** 2)))

    chosen = [max(range(10), key=lambda c: r(image, means[c])) for image in asked]
    assert value(found, "nearest_mean_by_r") == pytest.approx(np.mean(chosen == Y["test"]))


def test_r_is_blind_to_sign_and_never_answers_a_class_without_images() -> None:
    bank, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 2])
    asked = np.array([[-1.0, 0.1], [0.1, 1.0], [0.0, 0.0]])
    found = nearest_mean_by_r(bank, labels, asked, classes=4, epsilon=1.0)
    assert found.tolist() == [0, 2, 0]
    assert nearest_mean_by_r(bank, labels, asked[:1], classes=4, epsilon=1.0, bias=1.0).tolist() == [2]
    with pytest.raises(DivergedError):
        nearest_mean_by_r(bank * np.nan, labels, asked, classes=4, epsilon=1.0)


def test_images_at_right_angles_and_ranks_inside_a_class() -> None:
    rows = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 2], [0, 0, 5]])
    assert geometry.cosine_distributions(rows, np.array([0, 0, 1, 1])).same_right_angle == 0.5
    assert geometry.rank_inside_classes(rows, np.array([0, 0, 1, 1])) == pytest.approx(1.5)
    assert math.isnan(geometry.rank_inside_classes(rows, np.arange(4)))
    assert math.isnan(geometry.cosine_distributions(rows, np.arange(4)).same_right_angle)


def test_retrieval_is_of_test_within_test(found: Worth) -> None:
    expected = retrieval(X["test"], Y["test"], ks=(1, 2, 4, 8))
    assert {k: value(found, f"recall_{k}") for k in (1, 2, 4, 8)} == expected.recall
    assert value(found, "map_at_r") == expected.map_at_r <= expected.r_precision == value(found, "r_precision")
    assert [metric.name for metric in choose_metrics(["retrieval:recall_at=1,16"])].count("retrieval") == 1


def test_test_can_look_among_the_images_of_train() -> None:
    metric = Retrieve(recall_at=(1, 2), gallery="train")
    found: Any = metric.measure({part: X[part] for part in ("train", "test")}, Y, 10, lambda _: None)
    expected = retrieval(X["test"], Y["test"], ks=(1, 2), gallery=(X["train"], Y["train"]))
    assert (found["recall_2"], found["map_at_r"]) == (expected.recall[2], expected.map_at_r)
    assert found["map_at_r"] != retrieval(X["test"], Y["test"], ks=(1,)).map_at_r
    rows = {row.key: row for row in metric.rows}
    assert (rows["recall_1"].fit, "images of train" in rows["recall_1"].how) == ("train", True)
    assert "all others" in rows["unseen_recall_1"].how
    with pytest.raises(ConfigError, match="others, train"):
        Retrieve(gallery="test")


def test_unseen_classes_are_searched_among_themselves() -> None:
    some, labels = X["test"][:60], Y["test"][:60]
    parts = {"test": X["test"], "unseen": some}
    found: Any = Retrieve(recall_at=(1,)).measure(parts, {"test": Y["test"], "unseen": labels}, 10, lambda _: None)
    expected = retrieval(some, labels, ks=(1,))
    assert found["unseen_recall_1"] == expected.recall[1]
    assert found["unseen_map_at_r"] == expected.map_at_r
    assert set(found) == {row.key for row in Retrieve(recall_at=(1,)).rows}


def test_clusters_are_of_test(found: Worth) -> None:
    clusters = KMeans(10, n_init=10, random_state=0).fit_predict(normalize(X["test"].astype(np.float64)))
    assert value(found, "cluster_nmi") == pytest.approx(normalized_mutual_info_score(Y["test"], clusters), abs=1e-6)
    assert value(found, "cluster_ari") == pytest.approx(adjusted_rand_score(Y["test"], clusters), abs=1e-6)
    assert value(found, "cluster_accuracy") == matched_accuracy(Y["test"], clusters, classes=10)
    assert value(found, "silhouette") == pytest.approx(
        silhouette_score(X["test"], Y["test"], metric="cosine"), abs=1e-6
    )


def test_few_labels_are_drawn_from_train_and_episodes_within_test(found: Worth) -> None:
    for shots in (1, 5, 10):
        expected = k_shot(X["train"], Y["train"], X["test"], Y["test"], classes=10, shots=shots)
        assert found.scores[f"shot_{shots}"] == expected
    for shots in (1, 5):
        assert found.scores[f"way_5_shot_{shots}"] == episodes(X["test"], Y["test"], classes=10, shots=shots)
        assert 0 < found.scores[f"way_5_shot_{shots}"].interval < 0.02


def test_geometry_is_of_test(found: Worth) -> None:
    unit = normalize(X["test"].astype(np.float64))
    cosines, same = unit @ unit.T, Y["test"][:, None] == Y["test"][None, :]
    above = np.triu(np.ones_like(same), 1)
    means = normalize(np.stack([X["test"][Y["test"] == c].mean(axis=0, dtype=np.float64) for c in range(10)]))
    between = (means @ means.T)[np.triu_indices(10, 1)]
    sigma = np.linalg.svd(X["test"].astype(np.float64), compute_uv=False)
    share = sigma / sigma.sum()
    frame = neural_collapse.frame(X["test"], Y["test"], classes=10)
    expected = {
        "same_cosine": cosines[above & same].mean(),
        "different_cosine": cosines[above & ~same].mean(),
        "different_abs_cosine": np.abs(cosines[above & ~same]).mean(),
        "class_max_abs_cosine": np.abs(between).max(),
        "class_mean_abs_cosine": np.abs(between).mean(),
        "class_opposite": np.mean(between < -0.9),
        "class_squared_cosine": np.mean(between**2),
        "same_right_angle": np.mean(np.abs(cosines[above & same]) < 0.1),
        "rank_inside": np.mean([geometry.effective_rank(unit[Y["test"] == c]) for c in range(10)]),
        "welch_floor": 0,
        "effective_rank": np.exp(-np.sum(share[share > 0] * np.log(share[share > 0]))),
        "alignment": np.mean(2 - 2 * cosines[above & same]),
        "uniformity": np.log(np.mean(np.exp(-2 * (2 - 2 * cosines[above])))),
        "nc1": neural_collapse.within_class(X["test"], Y["test"], classes=10),
        "nc2_lengths": frame.lengths,
        "nc2_angles": frame.angles,
        "nc2_widest": frame.widest,
    }
    assert {key: value(found, key) for key in expected} == pytest.approx(expected, abs=1e-6)


def test_every_row_of_the_table_is_measured_in_its_order(found: Worth) -> None:
    assert list(found.scores) == [row.key for row in rows_of() if row.split != UNSEEN]
    drawn = {key for key, score in found.scores.items() if not math.isnan(score.interval)}
    few = {"shot_1", "shot_5", "shot_10", "way_5_shot_1", "way_5_shot_5"}
    assert drawn == few | {row.key for row in rows_of() if row.group == "accuracy"}


def test_more_classes_than_dimensions_have_a_floor() -> None:
    three = X["test"][:, 20:23]
    found: Any = Geometry().measure({"test": three}, {"test": Y["test"]}, 10, lambda _: None)
    assert found["welch_floor"] == pytest.approx((10 - 3) / (3 * 9), abs=1e-6)
    means = normalize(geometry.class_means(three, Y["test"], 10))
    squared = ((means @ means.T)[np.triu_indices(10, 1)] ** 2).mean()
    assert found["class_squared_cosine"] == pytest.approx(squared, abs=1e-6)
    assert squared > found["welch_floor"]
