"""Other images are made as those of the run were."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simo2_core.errors import ConfigError, RunError
from simo2_core.evaluation import features
from simo2_core.evaluation.features import data_config
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory


def test_other_data_is_decoded_as_that_of_the_run(tmp_path: Path) -> None:
    rules = {"resize": "pad", "background": "black", "depth": 12}
    run = RunDirectory.create(tmp_path, "one", PRESETS["digits"].config.replace(rules))
    other = data_config(run, [8, 8, 1], "./photos")
    assert {name: getattr(other, name) for name in rules} == rules
    assert (other.dataset, other.image_size, other.channels) == ("./photos", 8, 1)
    assert data_config(run, [8, 8, 1], None) == run.config.data
    with pytest.raises(ConfigError, match="can only be made square"):
        data_config(run, [8, 6, 1], "./photos")


def test_what_a_run_embeds_is_used_where_its_folder_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise RunError(f"not allowed while writing {path}.")

    part = SimpleNamespace(__len__=lambda: 1)
    encoder = SimpleNamespace(part=lambda _: (np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)))
    monkeypatch.setattr(features, "load_encoder", lambda _: encoder)
    monkeypatch.setattr(features, "identity", lambda _: "")
    monkeypatch.setattr(features, "write_into", refuse)
    dataset: Any = SimpleNamespace(fingerprint="", parts={"test": [part]})
    found = features.features_of(tmp_path / "eval", tmp_path, dataset)
    assert found["test"].projection.tolist() == [[1, 1]]
