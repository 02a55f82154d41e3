"""What a report tells of a run, read from its folder."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simo2_core.analysis.render import KINDS, ON_REQUEST, render_each
from simo2_core.config import Config
from simo2_core.errors import RunError, Simo2Error
from simo2_core.events import Evaluated, RolledBack, RunFinished, RunStarted, StepsLogged, WarningRaised
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import describe
from simo2_core.run.summary import RunSummary, summarise

_MOST_PIXELS = 100_000_000
"""Of a picture that is read at all: ten times ours."""

_WIDE = 3000
"""Pixels from which on a picture has several charts beside each other, or a long list of names."""

_WIDEST = 1400
"""Pixels of a picture in a report: a page of ten at 300 dpi would weigh 5 MB."""


@dataclass
class Collected:
    """Everything on the page."""

    run: RunDirectory
    config: Config
    facts: dict[str, Any]
    summary: RunSummary
    started: RunStarted | None = None
    finished: RunFinished | None = None
    test: Evaluated | None = None
    evaluations: list[Evaluated] = field(default_factory=list)
    warnings: list[WarningRaised] = field(default_factory=list)
    rollbacks: list[RolledBack] = field(default_factory=list)
    begun: float | None = None
    """Seconds since 1970, of the first event."""
    losses: dict[str, float] = field(default_factory=dict)
    """Of the last step, by name."""
    log: list[str] = field(default_factory=list)
    pictures: list[tuple[str, bytes, bool]] = field(default_factory=list)
    """(what it shows, PNG)."""
    measured: list[dict[str, Any]] = field(default_factory=list)
    """Every `eval.json`, its own data set first."""


def collect(run: RunDirectory) -> Collected:
    """Reads a run, and draws the pictures that are not there yet.

    Raises:
        RunError: the settings or the log cannot be read, or nothing has been logged yet.
    """
    found = Collected(run, run.config, run.facts, summarise(run))
    for event in run.events():
        found.begun = found.begun if found.begun is not None else event.time
        match event:
            case RunStarted():
                found.started, found.finished, found.test = event, None, None
            case RunFinished():
                found.finished = event
            case Evaluated(split="test"):
                found.test = event
            case Evaluated():
                found.evaluations = [old for old in found.evaluations if old.step < event.step] + [event]
            case WarningRaised():
                found.warnings.append(event)
            case RolledBack():
                found.rollbacks.append(event)
            case StepsLogged() if event.total:
                found.losses = {"total": event.total[-1], **{name: values[-1] for name, values in event.terms.items()}}
        line = describe(event)
        if line and not isinstance(event, StepsLogged):
            found.log.append(line)
    if found.started is None:
        raise RunError(f"{run.path} has logged nothing yet. Let it train first.")
    found.pictures = _pictures(run)
    found.measured = _measured(run)
    return found


def _pictures(run: RunDirectory) -> list[tuple[str, bytes, bool]]:
    if not any((run.plots / f"{kind}.png").is_file() for kind in KINDS):
        with contextlib.suppress(Simo2Error):  # a run without an evaluation has no pictures, and a report all the same
            list(render_each(run.path))
    paths = [run.plots / f"{kind}.png" for kind in (*KINDS, *ON_REQUEST)]
    paths += sorted(set(run.plots.glob("*.png")) - set(paths))
    paths += sorted(run.path.glob("eval/*/*.png"))
    shown = []
    for path in paths:
        if path.is_file():
            where = f" {path.parent.name}" if path.parent.parent.name == "eval" else ""
            picture = _smaller(path)
            if picture is not None:
                shown.append((f"{path.stem}{where}", *picture))
    return shown


def _smaller(path: Path) -> tuple[bytes, bool] | None:
    """The picture in a PNG file, small enough for a page, and whether it needs the width of one.

    None when it is none, or too large to be one of ours.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow has many for what is damaged
        return None
    wide = picture.width >= _WIDE and picture.width > 1.15 * picture.height
    if picture.width > _WIDEST:
        size = _WIDEST, round(picture.height * _WIDEST / picture.width)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.quantize(255, method=Image.Quantize.MEDIANCUT).save(buffer, "PNG", optimize=True)
    return buffer.getvalue(), wide


def shown_score(score: Mapping[str, float] | None, metric: Mapping[str, Any]) -> str:
    """A number of `eval.json` as the rest of the page has it: a share in percent, another to four digits."""
    if score is None:
        return "–"
    form = ".2%" if metric.get("share") else ".4f"
    interval = f" ± {score['interval']:{form}}" if "interval" in score else ""
    return f"{score['value']:{form}}{interval}"


def _measured(run: RunDirectory) -> list[dict[str, Any]]:
    found = []
    for path in sorted(run.path.glob("eval/*/eval.json"), key=lambda path: (not path.parent.name.isdigit(), path)):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            data = json.loads(path.read_bytes())
            if _is_evaluation(data):
                found.append(data)
    return found


def _is_evaluation(data: Any) -> bool:
    """Whether JSON is what `simo2 eval` writes, as far as the page shows it."""
    try:
        scores = [score for found in data["scores"].values() for score in found.values()]
        numbers = [number for score in scores for name, number in score.items() if name in ("value", "interval")]
        numbers += [*data["images"].values(), data["step"]]
        texts = [metric[name] for metric in data["metrics"].values() for name in ("label", "split")]
        texts += [metric["how"] or "" for metric in data["metrics"].values()]
        whole = all("value" in score for score in scores)
    except (AttributeError, KeyError, TypeError):
        return False
    return whole and all(type(n) in (int, float) for n in numbers) and all(isinstance(text, str) for text in texts)
