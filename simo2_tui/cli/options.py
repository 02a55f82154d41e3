"""Command-line options drawn from the settings of `simo2_core.config`: nothing is listed twice."""

from __future__ import annotations

import errno
import inspect
import re
import stat
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simo2_core.bounds import shown
from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError
from simo2_core.first_settings import first_settings
from simo2_core.paths import user_path
from simo2_core.pretrained.place import is_pretrained
from simo2_core.settings import Cadence, Setting


def path_option(flag: str, help: str, *, metavar: str = "PATH", folder: bool = False, **options: Any) -> Any:
    """An option that takes a path, as a shell means it: the only way to ask for one. What can be none is refused.

    Args:
        folder: whether what is there must be one.
    """

    def read(text: str) -> Path:
        if not str(text).strip():
            raise ConfigError(f"{flag} is {text!r}; it must be a path. The current folder is called . (a full stop).")
        if str(text).startswith("-"):  # a path that was forgotten: `--run-dir --plain`
            raise ConfigError(f"{flag} is {shown(text)}, which looks like an option. Write ./{text} if it is a path.")
        path = user_path(text)
        try:
            if folder and not stat.S_ISDIR(path.stat().st_mode):
                raise ConfigError(f"{flag} is {shown(text)}, which is no folder. Name one, there or to be made.")
            path.stat()
        except (OSError, ValueError) as error:
            if folder and getattr(error, "errno", None) == errno.ENOTDIR:
                raise ConfigError(f"{flag} is {shown(text)}, which lies in no folder. Name another.") from None
            if getattr(error, "errno", None) == errno.ENAMETOOLONG:
                raise ConfigError(f"{flag} is {shown(text)}; it must be a path that a file system takes.") from None
            if _UNSEEN.search(str(text)):  # what is there may be called as it likes
                raise ConfigError(f"{flag} is {shown(text)}; a new file or folder has a name that shows.") from None
        return path

    return typer.Option(flag, help=help, metavar=metavar, parser=read, **options)


_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]")

RunDirOption = Annotated[
    Path,
    path_option("--run-dir", "The folder that holds the runs.", metavar="DIR", folder=True, envvar="SIMO2_RUN_DIR"),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="WEIGHTS",
        help="Pretrained weights in place of a run: FILE.safetensors, a folder with one, or hf:NAME. The "
        "argument is then a data set, as for simo2 train --dataset.",
    ),
]
ImageSizeOption = Annotated[
    int,
    typer.Option(
        "--image-size", help="With --encoder: pixels of a side; 0 for what it was trained on.", min=0, max=8192
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines; the last one is the result.")]

DEFAULT_RUN_DIR = Path("runs")

_PANELS = {
    "": "Run",
    "data": "Data",
    "augment": "Augmentation",
    "model": "Model",
    "objective": "Loss",
    "optim": "Optimiser",
    "tune": "Fine-tuning",
}
_NOT_FLAGS = {"preset"}
_METAVARS: dict[Any, str] = {
    int: "INT",
    float: "NUMBER",
    tuple[int, ...]: "INTS",
    tuple[float, ...]: "NUMBERS",
    Cadence: "CADENCE",
}


def with_settings(
    command: Callable[..., None], *, section: str | None = None, without: Container[str] = ()
) -> Callable[..., None]:
    """Gives a Typer command an option for every setting; its `settings` keyword argument gets those that were given.

    Args:
        section: the one whose settings are offered; None for all.
        without: settings that are not.
    """
    taken = _NOT_FLAGS | set(inspect.signature(command).parameters)  # by the command itself, in its own words
    offered = {
        item.name: item
        for item in all_settings()
        if item.name not in taken and item.name not in without and section in (None, item.section)
    }

    def wrapped(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in offered}
        settings = {name: offered[name].parse(text) for name, text in given.items() if text is not None}
        command(**arguments, settings=settings)

    # Typer reads the signature with its annotations evaluated, so it must be given types and not their names
    own = inspect.signature(command, eval_str=True)
    parameters = [parameter for name, parameter in own.parameters.items() if name != "settings"]
    parameters += [_parameter(item) for item in offered.values()]
    wrapped.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapped.__doc__ = command.__doc__
    return wrapped


def _parameter(item: Setting) -> inspect.Parameter:
    flags = [item.flag, *("--" + alias.replace("_", "-") for alias in item.aliases)]
    of = f" ({', '.join(item.parts)})" if item.parts else ""
    help = (
        item.help
        + (f", {item.bounds.told}" if item.bounds.told else "")
        + of
        + (f" [{'|'.join(item.choices)}]" if item.choices else "")
    )
    kind: Any = str
    metavar = _METAVARS.get(item.type, "TEXT")
    if item.type is bool:
        kind, metavar = bool, ""
        flags = [f"{flag}/--no-{flag.removeprefix('--')}" for flag in flags]
    option = typer.Option(*flags, help=help, rich_help_panel=_PANELS[item.section], show_default=False, metavar=metavar)
    return inspect.Parameter(
        item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def resolve(preset: str | None, settings: Mapping[str, Any]) -> Config:
    """The settings of the preset, of the data set, or else of `digits`, with the given ones in their place.

    Says when a recipe is used that nobody named.

    Raises:
        ConfigError: what cannot work.
    """
    from simo2_tui.plain_lines import print_visible

    refuse_encoder_beside_weights(settings)
    chosen = first_settings(preset, settings)
    if chosen.why:
        print_visible(f"simo2: {chosen.why}", error=True)
    return chosen.config.with_source()


def refuse_encoder_beside_weights(settings: Mapping[str, Any]) -> None:
    """Raises ConfigError where another encoder is asked for than the pretrained weights have, which say which it is."""
    init = settings.get("init") or ""
    of_encoder = {item.name for item in all_settings() if item.kind == "encoder"} | {"encoder"}
    if of_encoder.isdisjoint(settings) or not is_pretrained(init):
        return
    from simo2_core.pretrained.recognise import recognise

    encoder = recognise(init).encoder
    for name in of_encoder & set(settings):
        if settings[name] != (encoder.name if name == "encoder" else getattr(encoder, name, None)):
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag} is {settings[name]}, and {init} holds a {encoder.name}. Leave out {flag}.")


def run_or_weights(text: str, encoder: str | None, image_size: int, run_dir: Path, *, quiet: bool) -> str:
    """What a command is to take for its run: `text`, or the run of the data set `text` and pretrained weights.

    Raises:
        RunError: there are no such weights, or they are damaged.
        DataError: the data set is missing, unreadable or unfit.
    """
    if encoder is None:
        if image_size:
            raise ConfigError("--image-size is for --encoder, which is not given: a run has images of its own size.")
        return text
    from simo2_core.session import run_of_weights
    from simo2_tui.cli.data_progress import DataProgress
    from simo2_tui.plain_lines import print_visible

    with DataProgress(quiet=quiet) as progress:
        run = run_of_weights(encoder, text, run_dir, image_size=image_size, report=progress.report)
    if not quiet:
        print_visible(f"simo2: {encoder} on {text} is the run {run.path}, of no step", error=True)
    return str(run.path)
