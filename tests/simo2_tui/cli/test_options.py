import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from simo2_core.errors import ConfigError
from simo2_tui.cli.main import app
from simo2_tui.cli.options import refuse_encoder_beside_weights, run_or_weights
from tests.peers.compare import read_answers, write_weights

GOLDEN = Path(__file__).parents[2] / "simo2_core" / "golden" / "peers.json.xz"


def callbacks(of: typer.Typer) -> Iterator[Callable[..., Any]]:
    yield from (command.callback for command in of.registered_commands if command.callback)
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from callbacks(group.typer_instance)


PATHS = [
    (callback, parameter.name, parameter.annotation.__metadata__[0])
    for callback in callbacks(app)
    for parameter in inspect.signature(callback, eval_str=True).parameters.values()
    if any(kind in (Path, Path | None) for kind in getattr(parameter.annotation, "__args__", ()))
    or parameter.annotation.__origin__ in (Path, Path | None)
]


def test_there_are_options_that_take_a_path() -> None:
    assert {name for _, name, _ in PATHS} == {"run_dir", "out", "tensorboard"}


@pytest.mark.parametrize(("callback", "name", "option"), PATHS, ids=lambda it: getattr(it, "__name__", None) or "")
def test_every_path_of_a_command_means_what_it_means_to_a_shell(
    callback: Any, name: str, option: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert option.parser("~/x") == tmp_path / "x"
    for empty in ("", "  "):
        with pytest.raises(Exception, match=f"--{name.replace('_', '-')} is '{empty}'; it must be a path"):
            option.parser(empty)


def test_a_tilde_in_the_environment_makes_no_folder_of_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SIMO2_RUN_DIR", "~/mine")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["runs"])
    assert result.stdout.startswith(f"{tmp_path / 'mine'} holds no such run")
    result = CliRunner().invoke(app, ["train", "--run-dir", ""])
    assert result.exit_code == 2
    assert "--run-dir is ''" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_encoder_than_the_weights_have_is_refused(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w", read_answers(GOLDEN)["timm dinov2"])
    given = {"init": str(weights), "dataset": "digits"}
    refuse_encoder_beside_weights({**given, "encoder": "vit_small", "layers": 2})
    refuse_encoder_beside_weights({"init": "latest", "encoder": "cnn"})
    with pytest.raises(ConfigError, match=r"--encoder is cnn, and .* holds a vit_small. Leave out --encoder"):
        refuse_encoder_beside_weights({**given, "encoder": "cnn"})
    with pytest.raises(ConfigError, match="--token-width is 32"):
        refuse_encoder_beside_weights({**given, "token_width": 32})


def test_a_size_is_for_weights_and_not_for_a_run(tmp_path: Path) -> None:
    assert run_or_weights("latest", None, 0, tmp_path, quiet=True) == "latest"
    with pytest.raises(ConfigError, match="--image-size is for --encoder"):
        run_or_weights("latest", None, 32, tmp_path, quiet=True)
