"""`simo2 report`: a run on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, path_option
from simo2_tui.plain_lines import print_visible


def report_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: a name, a path, or latest.")],
    out: Annotated[
        Path | None, path_option("--out", "The file; by default report.html in the run's folder.", metavar="FILE")
    ] = None,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page about a run, to keep or to send: results, pictures, settings, how to do it again.

    It needs nothing from elsewhere. Pictures that are not drawn yet are drawn first; simo2 eval adds its tables.
    """
    from simo2_core.report.collect import collect
    from simo2_core.report.page import render_page
    from simo2_core.run.directory import find_run
    from simo2_core.run.files import require_place, write_into

    if out is not None:
        require_place(out, folder=False)
    found = find_run(run, run_dir)
    path = found.path / "report.html" if out is None else out
    content = render_page(collect(found)).encode()
    write_into(path, content, option="--out")
    if as_json:
        print(json.dumps({"run": str(found.path), "report": str(path), "bytes": len(content)}))
    else:
        print_visible(f"{path}: {len(content) / 1e6:,.1f} MB, opens in any browser")
