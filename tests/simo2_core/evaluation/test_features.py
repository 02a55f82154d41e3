"""Other images are made as those of the run were."""

from pathlib import Path

import pytest

from simo2_core.errors import ConfigError
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
