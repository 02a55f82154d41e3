"""The `simo2` command. Each command imports what it needs inside itself, so that `--help` is instant."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from simo2_core.errors import INTERRUPTED, Simo2Error
from simo2_core.faults import part_error
from simo2_tui.cli import (
    bench,
    clean,
    compare,
    data,
    embed,
    eval,
    export,
    finetune,
    guide,
    log,
    plot,
    presets,
    report,
    resume,
    runs,
    train,
    tui,
)
from simo2_tui.cli.command import App, OwnGroup
from simo2_tui.plain_lines import print_visible

_EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 usage, 3 diverged, 4 data, 130 stopped, but saved."


# What Typer itself says (usage, exit) goes its own way. Typer brings its own copy of click since 0.29 and used the
# installed one before, so the base class is found through Typer.
_TYPER_SAYS: tuple[type[BaseException], ...] = (
    typer.Exit,
    typer.Abort,
    *(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"),
)


class _Commands(OwnGroup):
    """Turns what goes wrong into one line and the right exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _TYPER_SAYS:
            raise
        except KeyboardInterrupt:
            _say("interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if os.environ.get("SIMO2_DEBUG"):
                raise
            known = error if isinstance(error, Simo2Error) else part_error(error)
            if known is not None:
                _say(str(known))
                raise typer.Exit(known.exit_code) from None
            line = " ".join(str(error).split())[:300]
            _say(f"unexpected {type(error).__name__}: {line} (simo2 --debug … shows where).")
            raise typer.Exit(1) from None


def _say(line: str) -> None:
    print_visible(f"simo2: {line}", error=True)


app = App(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
    epilog=_EXIT_CODES,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print_visible(f"simo2 {version('simo2')}")
        raise typer.Exit


@app.callback()
def _global(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of what goes wrong.")] = False,
    with_: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="FILE.py:CLASS",
            help="Use a part of your own that a run was made with; it may stand anywhere. See simo2 guide parts.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train image encoders with the SIMO2 contrastive loss, and watch the embedding form."""
    if debug:
        os.environ["SIMO2_DEBUG"] = "1"


app.command("train", epilog=_EXIT_CODES)(train.train_command)
app.command("resume", epilog=_EXIT_CODES)(resume.resume_command)
app.command("presets")(presets.presets_command)
app.command("tui", epilog=_EXIT_CODES)(tui.tui_command)
app.command("attach", epilog=_EXIT_CODES)(tui.attach_command)
app.command("plot")(plot.plot_command)
app.command("bench", epilog=_EXIT_CODES)(bench.bench_command)
app.command("eval", epilog=_EXIT_CODES)(eval.eval_command)
app.command("clean", epilog=_EXIT_CODES)(clean.clean_command)
app.command("embed")(embed.embed_command)
app.command("export")(export.export_command)
app.command("finetune", epilog=_EXIT_CODES)(finetune.finetune_command)
app.command("compare", epilog=_EXIT_CODES)(compare.compare_command)
app.command("log", epilog=_EXIT_CODES)(log.log_command)
app.command("report")(report.report_command)
app.command("guide")(guide.guide_command)
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
