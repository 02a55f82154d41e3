"""What features are worth, by every protocol at once, each number with the split that it is from.

`METRICS` says what is measured and how; `measure` measures it. Nothing is chosen on the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis import geometry, hypersphere, neural_collapse
from simo2_core.analysis.clusters import cluster, silhouette
from simo2_core.analysis.few_shot import DRAWS, EPISODES, Estimate, episodes, k_shot
from simo2_core.analysis.metrics import knn_predict_each
from simo2_core.analysis.probe import fit_linear_probe, nearest_class_mean
from simo2_core.analysis.reduce import sample_by_class
from simo2_core.loss_floor import welch_floor

NEIGHBOURS = (1, 10, 20, 200)
HEADLINE = 20
"""The k of kNN whose confusion is shown."""

PROBE_IMAGES = 10_000
"""Most training images that a linear probe is fitted on: 50,000 of 3,072 raw pixels would take an hour."""

TEST_IMAGES = 10_000
"""Most test images for what compares each with every other: clusters, silhouette, uniformity."""


@dataclass(frozen=True)
class Metric:
    """One row of the table."""

    key: str
    label: str
    group: str
    fit: str
    """The part that anything was fitted on or searched in; empty when nothing was."""
    how: str
    share: bool = True
    """Whether it is a share in [0, 1], shown as a percentage, and more is better."""
    split: str = "test"
    """The part that the number is about."""
    asked: bool = False
    """Whether it is measured only when asked for."""


_KNN = "cosine, votes weighted exp(cos/0.07)"
METRICS: tuple[Metric, ...] = (
    *(Metric(f"knn_{k}", f"kNN k={k}", "accuracy", "train", _KNN) for k in NEIGHBOURS),
    Metric("nearest_class_mean", "nearest class mean", "accuracy", "train", "cosine to the mean of unit rows"),
    Metric("linear_probe", "linear probe", "accuracy", "train",
           "logistic regression on scaled features; C chosen on validation"),
    Metric("augmented_probe", "probe by SGD, augmented", "accuracy", "train",
           "SGD on features of augmented images, 30 epochs; learning rate chosen on validation", asked=True),
    *(Metric(f"shot_{n}", "1 label a class" if n == 1 else f"{n} labels a class", "few labels", "train",
             f"nearest class mean, {DRAWS} draws of labels, ± 95% interval over draws") for n in (1, 5, 10)),
    *(Metric(f"way_5_shot_{n}", f"5-way {n}-shot", "few labels", "test",
             f"nearest class mean, {EPISODES} episodes, ± 95% interval") for n in (1, 5)),
    Metric("cluster_accuracy", "k-means accuracy", "clusters", "test", "unit rows, 10 starts, Hungarian matching"),
    Metric("cluster_nmi", "k-means NMI", "clusters", "test", "arithmetic mean of entropies", share=False),
    Metric("cluster_ari", "k-means ARI", "clusters", "test", "adjusted Rand index", share=False),
    Metric("silhouette", "silhouette", "clusters", "", "of the true classes, cosine distance", share=False),
    Metric("same_cosine", "same-class cosine", "geometry", "", "mean signed cosine of pairs, wanted 1", share=False),
    Metric("different_cosine", "different-class cosine", "geometry", "", "mean signed cosine of pairs", share=False),
    Metric("different_abs_cosine", "different-class |cos|", "geometry", "", "mean, wanted 0", share=False),
    Metric("class_max_abs_cosine", "class means, max |cos|", "geometry", "", "wanted 0", share=False),
    Metric("class_mean_abs_cosine", "class means, mean |cos|", "geometry", "", "wanted 0", share=False),
    Metric("class_squared_cosine", "class means, mean cos²", "geometry", "", "at least Welch's floor", share=False),
    Metric("welch_floor", "  its Welch floor", "geometry", "", "least mean cos² of C classes in D dimensions",
           share=False),
    Metric("effective_rank", "effective rank", "geometry", "", "RankMe: exp of the entropy of singular values",
           share=False),
    Metric("alignment", "alignment", "geometry", "", "Wang & Isola, same-class pairs, 0 is best", share=False),
    Metric("uniformity", "uniformity", "geometry", "", "Wang & Isola, t = 2, less is better", share=False),
    Metric("nc1", "NC1 within/between", "collapse", "", "tr(Σ_W pinv Σ_B)/C, 0 when collapsed", share=False),
    Metric("nc2_lengths", "NC2 unequal lengths", "collapse", "", "variation of centred class means", share=False),
    Metric("nc2_angles", "NC2 unequal angles", "collapse", "", "deviation of their cosines", share=False),
    Metric("nc2_widest", "NC2 from widest angle", "collapse", "", "mean |cos + 1/(C-1)|", share=False),
    Metric("nc3", "NC3 probe from means", "collapse", "train",
           "squared distance of the probe's weights from the class means of train, each of norm 1", share=False,
           split="train"),
    Metric("nc4", "NC4 probe ≠ near mean", "collapse", "train",
           "share of images for which the probe does not choose the nearest mean", share=False),
)  # fmt: skip
"""Everything measured, in the order of the table."""

FeatureParts = Mapping[str, NDArray[np.floating[Any]]]
"""Features of `train`, `validation` and `test`, (n, f) each."""
LabelParts = Mapping[str, NDArray[np.int32]]
"""Labels of the same, (n,) each."""


@dataclass(frozen=True, eq=False)
class Worth:
    """What one kind of features is worth."""

    scores: dict[str, Estimate]
    """By `Metric.key`. The interval is NaN where nothing was drawn; what cannot be measured is not there."""
    predicted: NDArray[np.int32]
    """(test,) classes by kNN with k = `HEADLINE`."""
    probe_C: float
    probe_validation: float
    """What the linear probe reached on validation, where C was chosen."""


def measure(features: FeatureParts, labels: LabelParts, *, classes: int, say: Callable[[str], None]) -> Worth:
    """Measures one kind of features by all of `METRICS`.

    Args:
        features: by part.
        labels: by part, in [0, classes); each class at least once in train.
        say: told what is being measured.

    Raises:
        DataError: a class without training images.
        DivergedError: features that are not finite.
    """
    train, test = features["train"], features["test"]
    say("kNN")
    each = knn_predict_each(test, train, labels["train"], classes=classes, ks=NEIGHBOURS)
    found: dict[str, Estimate | float | None] = {
        f"knn_{k}": _accuracy(predicted, labels["test"]) for k, predicted in zip(NEIGHBOURS, each, strict=True)
    }
    nearest = nearest_class_mean(train, labels["train"], test, classes=classes)
    found["nearest_class_mean"] = _accuracy(nearest, labels["test"])
    say("few labels")
    for shots in (1, 5, 10):
        found[f"shot_{shots}"] = k_shot(train, labels["train"], test, labels["test"], classes=classes, shots=shots)
    for shots in (1, 5):
        found[f"way_5_shot_{shots}"] = episodes(test, labels["test"], classes=classes, shots=shots)
    rows = sample_by_class(labels["test"], TEST_IMAGES)
    some, some_labels = test[rows], labels["test"][rows]
    say("clusters")
    if len(rows) >= classes:
        clustering = cluster(some, some_labels, classes=classes)
        found |= {f"cluster_{name}": value for name, value in clustering._asdict().items()}
    found["silhouette"] = silhouette(some, some_labels)
    say("geometry")
    found |= _geometry(some, some_labels, classes)
    say("linear probe")
    kept = sample_by_class(labels["train"], PROBE_IMAGES)
    fit_on, fit_labels = train[kept], labels["train"][kept]
    probe = fit_linear_probe(fit_on, fit_labels, features["validation"], labels["validation"], classes=classes)
    predicted = probe.predict(test)
    found["linear_probe"] = _accuracy(predicted, labels["test"])
    scaled = probe.scale(fit_on)
    found["nc3"] = neural_collapse.self_duality(probe.weights, scaled, fit_labels)
    means = geometry.class_means(scaled, fit_labels, classes)
    found["nc4"] = neural_collapse.disagreement(predicted, means, probe.scale(test))
    return Worth(_estimates(found), each[NEIGHBOURS.index(HEADLINE)], probe.C, probe.validation_accuracy)


def with_score(worth: Worth, key: str, value: float) -> Worth:
    """The same with one more score, in the order of `METRICS`."""
    scores = {**worth.scores, key: Estimate(value, float("nan"))}
    return replace(worth, scores={metric.key: scores[metric.key] for metric in METRICS if metric.key in scores})


def _geometry(features: NDArray[Any], labels: NDArray[np.int32], classes: int) -> dict[str, Estimate | float | None]:
    pairs = geometry.cosine_distributions(features, labels)
    gram = geometry.class_gram(features, labels, classes)
    absolute = np.abs(gram[np.triu_indices(classes, 1)])
    found: dict[str, Estimate | float | None] = {
        "same_cosine": pairs.same_mean,
        "different_cosine": pairs.different_mean,
        "different_abs_cosine": pairs.different_mean_abs,
        "class_squared_cosine": geometry.mean_squared_cosine(gram),
        "welch_floor": welch_floor(classes, features.shape[1]),
        "effective_rank": geometry.effective_rank(features),
        "alignment": hypersphere.alignment(features, labels),
        "uniformity": hypersphere.uniformity(features),
    }
    if len(np.unique(labels)) == classes:  # with a class that test lacks, none of these is defined
        frame = neural_collapse.frame(features, labels, classes=classes)
        found |= {
            "class_max_abs_cosine": float(absolute.max()),
            "class_mean_abs_cosine": float(absolute.mean()),
            "nc1": neural_collapse.within_class(features, labels, classes=classes),
            "nc2_lengths": frame.lengths,
            "nc2_angles": frame.angles,
            "nc2_widest": frame.widest,
        }
    return found


def _accuracy(predicted: NDArray[np.int32], labels: NDArray[np.int32]) -> float:
    return float(np.mean(predicted == labels))


def _estimates(found: Mapping[str, Estimate | float | None]) -> dict[str, Estimate]:
    scores = {}
    for metric in METRICS:
        value = found.get(metric.key)
        if isinstance(value, Estimate):
            scores[metric.key] = value
        elif value is not None and np.isfinite(value):
            scores[metric.key] = Estimate(float(value), float("nan"))
    return scores
