import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_core.config import all_settings
from simo2_core.presets import PRESETS
from simo2_tui.cli.main import app

HEAVY = ("jax", "flax", "optax", "orbax", "textual", "matplotlib", "sklearn", "scipy", "tensorflow_datasets",
         "wandb", "tensorboard", "umap")  # fmt: skip


def simo2(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments, prog_name="simo2")
    return result.exit_code, result.stdout, result.stderr


def test_help_is_instant_and_loads_nothing_heavy() -> None:
    code = f"""
import sys
from simo2_tui.start import main
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
assert not [name for name in {HEAVY} if name in sys.modules], sys.modules.keys()
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 3, "0.2 s on an idle machine; a heavy import would take more than this"


def test_importing_the_core_loads_nothing_heavy() -> None:
    code = f"import sys, simo2_core; assert not [name for name in {HEAVY} if name in sys.modules]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_help_lists_every_setting_and_the_exit_codes() -> None:
    result = CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, ["train", "--help"])
    assert result.exit_code == 0
    for leaf in all_settings():
        assert leaf.name == "preset" or leaf.flag in result.stdout, leaf.flag
    assert "--num-epochs" in result.stdout
    assert "130 stopped, but saved" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "--preset", "digit"], 2, "Did you mean digits"),
        (["train", "--stepz", "3"], 2, "--steps"),
        (["train", "--samples-per-class", "1"], 2, "samples_per_class is 1; it must be 2 or more"),
        (["train", "--samples_per_class", "1"], 2, "samples_per_class is 1; it must be 2 or more"),
        (["train", "--embedding_size", "1"], 2, "embedding_size is 1"),
        (["train", "--batch-size", "20", "--samples-per-class", "16"], 2, "Use --batch-size 32 or more"),
        (["train", "--optimizer", "adm"], 2, "Did you mean adam"),
        (["train", "--num_epochs", "0"], 2, "steps is 0"),
        (["train", "--name", "../x"], 2, "name is '../x'"),
        (["train", "--plain", "--json"], 2, "--plain and --json"),
        (["train", "--resume", "nothing"], 1, "'nothing' is no run"),
        (["train", "--resume", "x", "--name", "y"], 2, "keeps its name"),
        (["trian"], 2, "Did you mean 'train'"),
        (["plot", "nothing"], 1, "'nothing' is no run"),
    ],
)
def test_what_cannot_work_ends_in_one_line_and_the_right_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, said = simo2(*arguments)
    assert found == code
    assert message in said
    if said.startswith("simo2:"):
        assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing is begun"


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_DEBUG", "")
    result = CliRunner().invoke(app, ["--debug", "train", "--preset", "digit"])
    assert type(result.exception).__name__ == "ConfigError"


def test_presets_lists_every_preset_as_a_table_and_as_json() -> None:
    code, out, _ = simo2("presets", "--json")
    *rows, result = map(json.loads, out.splitlines())
    assert code == 0
    assert [row["name"] for row in rows] == list(PRESETS)
    assert result == {"presets": len(PRESETS)}
    code, out, _ = simo2("presets")
    assert code == 0
    assert all(name.split("/")[0][:6] in out for name in PRESETS)


def test_version() -> None:
    code, out, _ = simo2("--version")
    assert code == 0
    assert out.startswith("simo2 ")
