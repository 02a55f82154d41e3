from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.peers.compare import read_answers, write_weights

GOLDEN = Path(__file__).parents[1] / "golden" / "peers.json.xz"


@cache
def answers() -> dict[str, Any]:
    """What timm, torchvision and transformers made of tiny networks: see `tests/peers/answers.py`."""
    return read_answers(GOLDEN)


@pytest.fixture
def weights(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with the weights of a tiny network by its name, as its library writes it."""
    return lambda name: write_weights(tmp_path / name.replace(" ", "-"), answers()[name])
