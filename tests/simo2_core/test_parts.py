"""How parts are found, and what is never imported."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from simo2_core import parts
from simo2_core.compiling import jit
from simo2_core.config import Config, all_settings
from simo2_core.data.load import load_dataset
from simo2_core.errors import ConfigError, MissingPartError
from simo2_core.objectives.objective import Objective
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import make_training
from simo2_tui.cli.own_parts import take_parts

MINE = """
from dataclasses import dataclass
from simo2_core.objectives.objective import Objective
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.step import make_training
from simo2_core.settings import setting

@dataclass(frozen=True, kw_only=True)
class Mine(Objective):
    steepness: float = setting(0.5, "how steep")

@dataclass(frozen=True, kw_only=True)
class Clash(Objective):
    steps: int = setting(3, "already one of the run")

class Bare(Objective):
    pass

def pull(embedding):
    return 1 - embedding.mean()

NUMBER = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(parts.VARIABLE, "")
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path}/mine.py"


@pytest.mark.parametrize("kind", ["objective", "encoder", "augmentation", "source"])
def test_every_file_of_a_room_is_found_and_describes_itself(kind: str) -> None:
    own = parts.own(kind)
    assert own
    for name, part in own.items():
        assert part.name == name
        assert part.__doc__
        assert parts.find(kind, name) is part


def test_a_name_nearly_right_is_told() -> None:
    with pytest.raises(ConfigError, match=r"there is no objective 'supcom'; choose from .* Did you mean supcon"):
        parts.find("objective", "supcom")


def test_a_reference_is_imported_only_where_it_was_named(mine: str) -> None:
    with pytest.raises(MissingPartError, match=r"--with .*mine.py:Mine if you trust it"):
        parts.find("objective", f"{mine}:Mine")
    parts.allow(f"{mine}:Mine")
    made = parts.find("objective", "mine.py:Mine")
    assert issubclass(made, Objective)
    assert made.name == "mine.py:Mine"
    config = Config().replace({"objective": "mine.py:Mine", "steepness": "0.7"})
    assert Config.from_json(config.to_json()) == config
    assert {item.name for item in all_settings()} >= {"steepness"}
    parts.allow(f"{mine}:Clash")
    with pytest.raises(ConfigError, match=r"mine.py:Clash has a setting 'steps', which there is already"):
        Config().replace({"objective": "mine.py:Clash"})
    os.environ[parts.VARIABLE] = ""
    with pytest.raises(MissingPartError):
        Config.from_json(config.to_json())


def test_a_function_is_an_objective_and_what_is_none_is_refused(mine: str) -> None:
    for name in ("pull", "Bare", "NUMBER", "Mone"):
        parts.allow(f"{mine}:{name}")
    pull = parts.find("objective", "mine.py:pull")()
    assert isinstance(pull, Objective)
    assert pull.terms(3, 2).keys() == {"total"}
    with pytest.raises(ConfigError, match="is no dataclass"):
        parts.find("objective", "mine.py:Bare")
    with pytest.raises(ConfigError, match=r"must be a subclass of simo2_core.objectives.objective.Objective"):
        parts.find("objective", "mine.py:NUMBER")
    with pytest.raises(ConfigError, match=r"has no Mone\. Did you mean Mine"):
        parts.find("objective", "mine.py:Mone")


def test_code_that_does_not_import_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parts.VARIABLE, "")
    (tmp_path / "broken.py").write_text("1 / 0")
    for reference in (f"{tmp_path}/broken.py:X", f"{tmp_path}/none.py:X", "no_such_module:X"):
        parts.allow(reference)
        with pytest.raises(ConfigError) as caught:
            parts.find("objective", reference)
        assert "\n" not in str(caught.value)


def test_files_of_one_name_in_two_folders_are_two_modules(mine: str, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "mine.py"
    other.parent.mkdir()
    other.write_text(Path(mine).read_text())
    found = []
    for reference in (f"{mine}:Mine", f"{other}:Mine"):
        parts.allow(reference)
        found.append(parts.find("objective", reference).__module__)
    assert found[0] != found[1]


def test_settings_with_such_a_part_travel_to_another_process(mine: str) -> None:
    parts.allow(f"{mine}:Mine")
    config = Config().replace({"objective": "mine.py:Mine", "steepness": 0.9})
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(as_typed_in_json, config).result() == {"part": "mine.py:Mine", "steepness": 0.9}


def as_typed_in_json(config: Config) -> object:
    return config.to_json()["objective"]


def test_the_command_line_names_parts_and_loses_with(mine: str) -> None:
    words = ["compare", "--objectives", f"supcon,{mine}:Mine:steepness=0.3", "--with", f"{mine}:pull", "--with=a.b:C"]
    assert take_parts(words) == words[:3]
    assert set(parts.references()) == {"mine.py:Mine", "mine.py:pull", "a.b:C"}
    assert take_parts(["train", f"--objective={mine}:Mine"]) == ["train", f"--objective={mine}:Mine"]
    with pytest.raises(ConfigError, match="is no encoder"):
        take_parts(["train", "--encoder", f"{mine}:Mine"])


def test_the_example_of_the_guide_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "simo2_tui" / "guide" / "parts.md"
    monkeypatch.setenv(parts.VARIABLE, "")
    (tmp_path / "mine.py").write_text(page.read_text().split("```python\n")[1].split("```")[0])
    parts.allow(f"{tmp_path}/mine.py:Centres")
    config = PRESETS["digits"].config.replace(
        {"objective": "mine.py:Centres", "push": 2, "widths": "4", "stem_width": 4, "samples_per_class": 3,
         "batch_size": 12, "optimizer": "optax.contrib:prodigy"}
    )  # fmt: skip
    dataset = load_dataset(config.data)
    step, state = make_training(config, 10, dataset.image_shape)
    _, measured, finite = jit(step)(state, place(dataset), step.course)
    assert finite
    assert {"total", *measured.terms} == set(config.objective.terms(4, 3))
