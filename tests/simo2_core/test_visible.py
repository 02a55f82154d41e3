from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_core.events import PlotSaved, WarningRaised
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import describe
from simo2_core.visible import visible
from simo2_tui.cli.main import app

EVIL = "a\x1b]0;owned\x07\x9b31m\u202eb"
SHOWN = r"a\x1b]0;owned\x07\x9b31m\u202eb"


def test_what_does_not_show_is_written_out_and_the_rest_is_kept() -> None:
    assert visible(EVIL) == SHOWN
    assert visible("\ud800\0\u2028") == r"\ud800\x00\u2028"
    plain = "café − 日本\t\n👩\u200d🔬"
    assert visible(plain) == plain


def test_a_line_about_an_event_commands_no_terminal() -> None:
    assert describe(WarningRaised(code=EVIL, message=EVIL, cure=EVIL)).count(SHOWN) == 3
    assert SHOWN in describe(PlotSaved(path=EVIL))


@pytest.mark.parametrize("words", [["runs"], ["runs", "diff", EVIL, "b"], ["report", EVIL], ["plot", EVIL + "/x"]])
def test_a_run_whose_name_would_command_a_terminal_is_shown_in_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        RunDirectory.create(tmp_path / "runs", name, PRESETS["digits"].config)
    (tmp_path / "runs" / "a").rename(tmp_path / "runs" / EVIL)
    said = CliRunner().invoke(app, words).output
    assert SHOWN in said.replace("\n", "")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)
