import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from simo2_tui.cli.main import app

TINY = ["--widths", "8", "--stem-width", "4", "--steps", "6", "--samples-per-class", "3", "--batch-size", "12",
        "--eval-every", "3", "--seeds", "2"]  # fmt: skip


def compare(run_dir: Path, *more: str) -> tuple[int, list[dict], str]:
    done = CliRunner().invoke(
        app, ["compare", "--run-dir", str(run_dir), "--name", "two", "--json", *TINY, *more], catch_exceptions=False
    )
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.slow
def test_a_comparison_from_end_to_end_goes_on_where_it_stopped(tmp_path: Path) -> None:
    arms = ["--objectives", "simo2,cross_entropy", "--sweep", "lr=0.01"]
    code, lines, _ = compare(tmp_path, *arms)
    assert code == 0
    assert [(line["arm"], line["trial"]) for line in lines[:3]] == [
        ("simo2", True), ("cross_entropy", True), ("simo2", False)
    ]  # fmt: skip
    result = lines[-1]
    assert result["results"]["representation"]["simo2"]["knn_20"]["runs"] == 2
    assert result["chosen"].keys() == {"simo2", "cross_entropy"}
    for path in result["files"]:
        if path.endswith("png"):
            with Image.open(path) as picture:
                assert picture.width > 400
    log = tmp_path / "two" / "runs" / "trial-simo2-s1000-0.01" / "events.jsonl"
    assert '"split":"test"' not in log.read_text(), "a trial does not look at test"
    # one run is lost: it alone is done again, and comes out the same
    (tmp_path / "two" / "runs" / "simo2-s1" / "outcome.json").unlink()
    before = log.stat().st_mtime_ns
    code, again, _ = compare(tmp_path, *arms)
    assert (code, log.stat().st_mtime_ns) == (0, before)
    known = [{**one["results"]["representation"]["simo2"]["knn_20"]} for one in (result, again[-1])]
    assert known[0] == known[1]
    code, _, said = compare(tmp_path, "--objectives", "simo2,supcon")
    assert code == 2
    assert "Give another --name" in said


def test_what_cannot_be_compared_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    code, _, said = compare(tmp_path, "--objectives", "simo2,supkon")
    assert code == 2
    assert "Did you mean supcon" in said
    assert not list(tmp_path.iterdir())
