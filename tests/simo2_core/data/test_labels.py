import numpy as np

from simo2_core.config import FinetuneConfig
from simo2_core.data.labels import with_labels
from simo2_core.data.load import load_dataset
from simo2_core.data_config import DataConfig


def test_only_some_labels_are_seen_the_same_for_a_seed_and_others_for_another() -> None:
    whole = load_dataset(DataConfig())
    few = with_labels(whole, FinetuneConfig(label_fraction=0.1), 3)
    assert np.abs(few.train.counts - whole.train.counts * 0.1).max() <= 0.5
    assert (with_labels(whole, FinetuneConfig(label_fraction=1e-6), 3).train.counts == 1).all()
    five = [with_labels(whole, FinetuneConfig(labels_per_class=5), seed).train for seed in (3, 3, 4)]
    assert (five[0].counts == 5).all()
    assert set(five[0].rows) <= set(whole.train.rows)
    np.testing.assert_array_equal(five[0].rows, five[1].rows)
    assert set(five[0].rows) != set(five[2].rows)
    assert with_labels(whole, FinetuneConfig(), 3) is whole
