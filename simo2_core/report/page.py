"""The page: HTML without scripts and without anything from elsewhere, readable on a phone, on paper and in the dark.

This file says what is on it, in plain values; `page.html.jinja` says how it looks. The template engine escapes every
value by itself, and `visible` shows what would not show: an escape byte in the name of a class reaches nobody's
terminal by way of `cat report.html`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from simo2_core.analysis.plots.style import signed
from simo2_core.command_line import settings_changed, train_command
from simo2_core.config import PROPORTIONAL
from simo2_core.presets import data_name
from simo2_core.report.collect import Collected, shown_score
from simo2_core.settings import as_typed
from simo2_core.visible import visible

_HERE = Path(__file__).parent

_DEEPEST = 4
"""Levels of facts that are told apart."""

_LOG_LINES = 400
"""The newest lines of the log that are on the page."""


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render_page(found: Collected) -> str:
    """The report as one HTML document; whatever a name holds is text in it and never markup."""
    templates = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        keep_trailing_newline=True,
    )
    return templates.get_template("page.html.jinja").render(
        name=found.run.name,
        style=Markup((_HERE / "page.css").read_text()),
        **_head(found),
        **_cards(found),
        warnings=_warnings(found),
        pictures=[(name, base64.b64encode(content).decode(), wide) for name, content, wide in found.pictures],
        evaluations=_evaluations(found),
        measured=_measured(found),
        **_commands(found),
        **_settings(found),
        facts=_facts(found),
        log="\n".join(found.log[-_LOG_LINES:]),
        log_lines=f"{len(found.log):,} lines",
    )


def _head(found: Collected) -> dict[str, Any]:
    config, state = found.config, found.summary.state
    words = [f"{data_name(config)}, {config.objective.name}, seed {config.seed}"]
    of = f" of {found.summary.steps:,}" if found.summary.steps else ""
    words.append(f"step {found.summary.step:,}{of}")
    if found.begun is not None:
        words.append("begun " + _date(found.begun))
    if found.finished is not None:
        words.append(", ".join(f"{name} {_duration(seconds)}" for name, seconds in found.finished.seconds.items()))
    assert found.started is not None
    words.append(f"on {found.started.device}")
    bad = not (state.done or state.running)
    return {"state": str(state), "bad": bad, "head": " · ".join(words)}


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):  # of a log that a stranger wrote
        return "at no time that there is"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cards(found: Collected) -> dict[str, Any]:
    event = found.test or (found.evaluations[-1] if found.evaluations else None)
    cards: list[tuple[str, str]] = []
    below: list[str] = []
    note = "Nothing has been evaluated yet."
    if event is not None:
        if event.classifier is not None:
            cards.append((f"{event.classifier:.2%}", "classifier"))
        if event.knn_views is not None:
            cards.append((f"{event.knn_views:.2%}", "kNN over views"))
        if event.classifier_views is not None:
            cards.append((f"{event.classifier_views:.2%}", "classifier over views"))
        cards += [
            (f"{event.knn_representation:.2%}", "kNN@20, representation"),
            (f"{event.knn_projection:.2%}", "kNN@20, projection"),
            (f"{event.knn_raw_pixels:.2%}", "kNN@20, raw pixels"),
            (f"{event.effective_rank:.2f}", "effective rank of the projection"),
            (_or_none(signed(event.largest_class_cosine)), "largest cosine of two class means"),
        ]
        if event.knn_representation < event.knn_raw_pixels:
            below.append("kNN@20, representation")
        read = "read once, at the end" if event.split == "test" else "test has not been read"
        note = (
            f"Of {event.split} ({event.images:,} images) at step {event.step:,}; {read}. kNN: cosine, votes weighted "
            f"exp(cos/0.07), neighbours among {event.bank:,} training images."
        )
    cards += _means_card(found)
    cards += [(f"{value:.4g}", f"loss, {name}, last step") for name, value in found.losses.items()]
    return {"cards": cards, "below": below, "cards_note": note}


def _or_none(number: str) -> str:
    """The number, or a dash where there is none: nothing to measure, such as pairs of a class with one image."""
    return "–" if number in ("nan", "+nan") else number


def _means_card(found: Collected) -> list[tuple[str, str]]:
    """The second headline beside kNN, where `simo2 eval` has measured the run's own data."""
    own = [data for data in found.measured if data["data"] == Path(found.config.data.dataset).name]
    for data in own[-1:]:
        metric = data["metrics"].get("nearest_class_mean")
        score = data["scores"].get("representation", {}).get("nearest_class_mean")
        if metric and score:
            where = f"class means of train, representation; of {metric['split']} at step {data['step']:,}"
            return [(shown_score(score, metric), where)]
    return []


def _warnings(found: Collected) -> list[str]:
    lines = [f"step {w.step:,}: {w.message} {w.cure}" for w in found.warnings]
    lines += [
        f"step {r.from_step:,} was not finite; went back to step {r.step:,}, learning rate {r.learning_rate:g} from "
        "there."
        for r in found.rollbacks
    ]
    if found.finished is not None and not found.finished.reason.done:
        lines.append(f"step {found.finished.step:,}: {found.finished.reason}. {found.finished.message}")
    return lines


def _evaluations(found: Collected) -> dict[str, Any]:
    heads = (
        "step",
        "kNN representation",
        "kNN projection",
        "effective rank",
        "same-class cosine",
        "different-class |cos|",
        "largest class cosine",
        "stuck pairs",
    )
    rows: list[tuple[str, ...]] = [
        (
            f"{e.step:,}",
            f"{e.knn_representation:.2%}",
            f"{e.knn_projection:.2%}",
            f"{e.effective_rank:.2f}",
            _or_none(f"{e.same_class_cosine:.3f}"),
            _or_none(f"{e.different_class_cosine:.3f}"),
            _or_none(signed(e.largest_class_cosine)),
            "–" if e.stuck_pairs is None else f"{e.stuck_pairs:.1%}",
        )
        for e in found.evaluations
    ]
    if len(rows) > 12:  # a long run: the first and the last ones
        rows = [*rows[:4], ("…",) * len(heads), *rows[-7:]]
    return {"heads": heads, "rows": rows}


def _measured(found: Collected) -> list[dict[str, Any]]:
    parts = []
    for data in found.measured:
        names = list(data["scores"])
        rows, notes = [], []
        for key, metric in data["metrics"].items():
            cells = [shown_score(data["scores"][name].get(key), metric) for name in names]
            if any(cell != "–" for cell in cells):
                rows.append((metric["label"], *cells))
                notes.append(f"{metric['how'] or 'as it says'}; of {metric['split']}")
        images = ", ".join(f"{count:,} {part}" for part, count in data["images"].items())
        heads = ("", *(name.replace("_", " ") for name in names))
        title = f"{data['data']}, step {data['step']:,} ({images})"
        parts.append({"title": title, "heads": heads, "rows": rows, "notes": notes})
    return parts


def _commands(found: Collected) -> dict[str, Any]:
    """Each command as the words that stay together: an option is not parted from its value, nor in its hyphens."""
    name = found.run.name
    lines = [train_command(found.config), f"simo2 eval {name}", f"simo2 plot {name}", f"simo2 resume {name}"]
    if found.config.tune.init is not None:
        lines[0] += f"    # begins with the weights of {found.config.tune.init}"
    packages, commit = found.facts.get("packages"), found.facts.get("git_commit")
    version = packages.get("simo2", "") if isinstance(packages, Mapping) else ""
    note = f"With simo2 {version}" + (f" at commit {commit}." if commit else ".")
    if found.config.minutes:
        note += " How many steps fit into the time is measured as it trains, so another run of it takes others."
    else:
        note += " The same seed, settings, data and machine give the same bits."
    return {"commands": [line.replace(" --", "\n--").split("\n") for line in lines], "commands_note": note}


def _settings(found: Collected) -> dict[str, Any]:
    changed = settings_changed(found.config)
    sections: dict[str, list[tuple[str, str, bool]]] = {}
    for item in found.config.settings():
        value = as_typed(found.config.get(item.name))
        sections.setdefault(item.section or "run", []).append((item.name, value, item.name in changed))
    base = found.config.preset or "the data set's defaults"
    return {
        "settings": [(name, sorted(rows, key=lambda row: not row[2])) for name, rows in sections.items()],
        "settings_note": f"{len(changed)} changed from {base}, in bold.",
    }


def _facts(found: Collected) -> list[tuple[str, str]]:
    started = found.started
    assert started is not None
    classes = ", ".join(started.class_names[:40]) + (", …" if len(started.class_names) > 40 else "")
    batch = f"{started.classes_per_batch} classes × {started.samples_per_class} samples"
    if found.config.sampling == PROPORTIONAL:
        batch = f"{started.classes_per_batch * started.samples_per_class} images drawn one by one"
    rows = [
        (
            "images",
            f"{started.train_images:,} training, {started.validation_images:,} validation, "
            f"{started.test_images:,} test",
        ),
        ("classes", f"{len(started.class_names):,}: {classes}"),
        ("a batch", batch),
        ("parameters", f"{started.parameters:,}"),
        ("folder", str(found.run.path.absolute())),
    ]
    return [*rows, *_flat(found.facts)]


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping) and prefix.count(" ") < _DEEPEST:
            yield from _flat(value, f"{name} ")
        else:
            yield prefix + str(name), str(value)
