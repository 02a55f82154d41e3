"""What features are worth: every metric asked on one kind of features, each number with the split that it is from.

The metrics are parts, of `simo2_core/metrics/` or a stranger's. Nothing is chosen on the test part.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from simo2_core import parts
from simo2_core.analysis.few_shot import Estimate
from simo2_core.errors import ConfigError, PartError
from simo2_core.faults import called, fault_of, shape_of, told
from simo2_core.metrics.metric import GROUPS, FeatureParts, LabelParts, Metric, MetricResult, Row, Score, half_interval

AUGMENTED_PROBE = Row(
    "augmented_probe",
    "probe by SGD, augmented",
    "accuracy",
    "train",
    "SGD on features of augmented images, 30 epochs; learning rate chosen on validation",
    share=True,
)
"""Measured where it is asked for, by `simo2_core.evaluation.augmented_probe`: it embeds images of its own."""
HEADLINES = ("knn_20", "nearest_class_mean")
"""The two rows that come first: what neighbours say, and the class means of train as a classifier, without a probe."""
DETAILS = "its details"
"""How a problem calls what a metric has to tell beyond its scores."""
_AFTER = 35.0
"""Its place among the metrics: after the linear probe."""


def own_metrics() -> tuple[Metric, ...]:
    """simo2's own metrics, with their usual settings."""
    return tuple(cast(Metric, part()) for part in parts.own("metric").values())


def choose_metrics(named: Iterable[str]) -> tuple[Metric, ...]:
    """simo2's own metrics, those of installed packages, and those that are named beside them.

    Args:
        named: `NAME`, `FILE.py:Class` or `package.module:Class`, with settings as in `knn:neighbours=1,5`, which take
            the place of the usual ones.

    Raises:
        ConfigError: there is no such metric or setting, or two measure the same row.
    """
    installed = (cast(Metric, part()) for part in parts.strangers("metric").values())
    chosen = {metric.name: metric for metric in (*own_metrics(), *installed)}
    for text in named:
        metric = cast(Metric, parts.named("metric", text))
        chosen[metric.name] = metric
    metrics = tuple(chosen.values())
    rows_of(metrics)
    return metrics


def rows_of(metrics: Sequence[Metric] | None = None, *, augmented: bool = False) -> tuple[Row, ...]:
    """Every row of the table, in its order: by heading, then by the order of the metrics.

    Args:
        metrics: by default simo2's own.
        augmented: whether `AUGMENTED_PROBE` is among them.

    Raises:
        ConfigError: two metrics measure a row of the same key.
    """
    by_key: dict[str, tuple[float, Row, str]] = {}
    for metric in own_metrics() if metrics is None else metrics:
        for row in metric.rows:
            if not isinstance(row, Row):
                raise PartError(f"{called('metric', metric)} has a {type(row).__name__} among its rows; use Row.")
            if row.key in by_key:
                raise ConfigError(f"{metric.name} measures {row.key!r}, and so does {by_key[row.key][2]}. Rename one.")
            by_key[row.key] = (metric.order, row, metric.name)
    if augmented:
        by_key[AUGMENTED_PROBE.key] = (_AFTER, AUGMENTED_PROBE, "simo2")
    groups = list(dict.fromkeys((*GROUPS, *(row.group for _, row, _ in by_key.values()))))
    ordered = sorted(by_key.values(), key=lambda item: (groups.index(item[1].group), item[0]))
    return tuple(row for _, row, _ in ordered)


@dataclass(frozen=True, eq=False)
class Worth:
    """What one kind of features is worth."""

    scores: dict[str, Estimate]
    """By `Row.key`. The interval is NaN where there is none; what cannot be measured is not there."""
    predicted: NDArray[np.int32]
    """(test,) classes by kNN, those whose confusion is shown."""
    details: dict[str, Mapping[str, Any]]
    """By metric: what was chosen on validation, say."""
    problems: dict[str, str]
    """By metric: why a stranger's could not measure, or what of it is no number."""


def measure(
    features: FeatureParts,
    labels: LabelParts,
    *,
    classes: int,
    say: Callable[[str], None],
    metrics: Sequence[Metric] | None = None,
) -> Worth:
    """Measures one kind of features by all metrics.

    Args:
        features: by part.
        labels: by part, in [0, classes); each class at least once in train.
        say: told what is being measured.
        metrics: by default simo2's own.

    Raises:
        DataError: a class without training images.
        DivergedError: features that are not finite.
    """
    metrics = own_metrics() if metrics is None else metrics
    found: dict[str, Estimate] = {}
    details: dict[str, Mapping[str, Any]] = {}
    problems: dict[str, str] = {}
    predicted = np.zeros(0, np.int32)
    for metric in metrics:
        ours = metric.name in parts.own("metric")
        try:
            measured = _measured(metric, features, labels, classes, say)
            wrong = "" if ours else _unfit(measured)
        except Exception as error:  # a stranger's may raise anything, after minutes of work of the others
            if ours:
                raise
            fault = fault_of(error)
            problems[metric.name] = f"{fault.what} ({fault.where})" if fault else told(error)
            continue
        if wrong:
            problems[metric.name] = wrong
        found |= _estimates(measured.scores, metric.rows)
        if measured.details and DETAILS not in wrong:
            details[metric.name] = measured.details
        if measured.predicted is not None and ours:
            predicted = measured.predicted
    return Worth(_estimates(found, rows_of(metrics)), predicted, details, problems)


def with_augmented_probe(worth: Worth, accuracy: float, rows: Sequence[Row]) -> Worth:
    """The same with what the probe on augmented images reached, in the order of `rows`."""
    scores = {**worth.scores, AUGMENTED_PROBE.key: Estimate(accuracy, half_interval(accuracy, len(worth.predicted)))}
    return dataclasses.replace(worth, scores=_estimates(scores, rows))


def _measured(
    metric: Metric, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
) -> MetricResult:
    told = metric.measure(features, labels, classes, say)
    measured = told if isinstance(told, MetricResult) else MetricResult(told)
    if not isinstance(measured.scores, Mapping):
        raise TypeError(f"it gave a {type(told).__name__}; it must be a number for each of its rows, by key")
    keys = {row.key for row in metric.rows}
    for key in measured.scores:
        if key not in keys:
            raise KeyError(f"it measured {key!r}, which is none of its rows")
    return measured


def _unfit(measured: MetricResult) -> str:
    """What of a stranger's numbers and details cannot be shown or written, in words; empty where all can."""
    wrong = [
        f"it gave {shape_of(value) if np.ndim(value) else repr(value)} as {key}, which is no number"
        for key, value in measured.scores.items()
        if value is not None and not _is_number(value)
    ]
    try:
        json.dumps(measured.details, allow_nan=False)
    except (TypeError, ValueError) as error:
        wrong.append(f"{DETAILS} are no JSON: {told(error)}")
    return "; ".join(wrong)[:300]


def _is_number(value: object) -> bool:
    array = np.asarray(value.mean if isinstance(value, Estimate) else value)
    return array.shape == () and array.dtype.kind in "fiub" and bool(np.isfinite(array))


def _estimates(found: Mapping[str, Score], rows: Sequence[Row]) -> dict[str, Estimate]:
    scores = {}
    for row in rows:
        value = found.get(row.key)
        if value is not None and _is_number(value):
            scores[row.key] = value if isinstance(value, Estimate) else Estimate(float(value), float("nan"))
    return scores
