from simo2_core.analysis.few_shot import Estimate
from simo2_core.evaluation.measures import METRICS
from simo2_tui.cli.eval import _HEADS, _table


def test_columns_never_touch_whatever_the_numbers() -> None:
    for value, interval in ((-0.03, 0.07), (28.98, 0.25), (1.0, 0.1), (0.5, float("nan")), (1e24, float("nan"))):
        scores = {metric.key: Estimate(value, interval) for metric in METRICS if value <= 1 or not metric.share}
        lines = _table(dict.fromkeys(_HEADS, scores))
        assert max(map(len, lines)) <= 80
        for metric in (m for m in METRICS if not m.asked or m.key in scores):
            cells = next(line for line in lines if line.startswith(f" {metric.label} "))[
                len(metric.label) + 1 :
            ].split()
            assert len(cells) == len(_HEADS), metric.label
            assert len(set(cells)) == 1
