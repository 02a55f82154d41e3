"""What a history looks like: the curves of each pane, the status line and the latest values."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from simo2_core.data.placement import human_bytes
from simo2_core.data.progress import Progress
from simo2_core.objectives.objective import Objective
from simo2_core.run.owner import Presence
from simo2_core.run.state import State
from simo2_tui.session.base import Session, state_of
from simo2_tui.session.device import Sample
from simo2_tui.session.history import History, column_of
from simo2_tui.widgets.axis import short
from simo2_tui.widgets.curve import Flag, Series
from simo2_tui.widgets.palette import ACCENT, ALERT, FAINT, GOOD, MUTED, TEXT, Glyphs
from simo2_tui.widgets.text import TONE, Span, ago, bar, duration, pairs_line, span_width, wrapped

Array = NDArray[np.float64]

WAITED = 0.1
"""Share of a call spent waiting for data from which on the call is marked."""

UNITS = ("sum", "per pair", "above floor")
"""How the loss is counted: as published; a pair's mean; a pair's mean less the least it can be."""

_LOSS_INKS = (TEXT, 2, 1, 0, 3, 4, 6, 5, 7)
"""Of the loss and its terms; those of more terms begin again after the loss."""


def loss_series(history: History, unit: str, objective: Objective) -> list[Series]:
    """The loss and its terms over the steps; where no floor is known, `above floor` is the loss itself."""
    steps, start = history.steps, history.start
    x = steps.column("step")
    terms = objective.terms(start.classes_per_batch, start.samples_per_class) if start else {}
    series = []
    for place, name in enumerate(("total", *history.terms)):
        ink = _LOSS_INKS[1 + (place - 1) % (len(_LOSS_INKS) - 1)] if place else _LOSS_INKS[0]
        y = steps.column(name)[: len(x)]
        if unit != "sum" and name in terms:
            floor = terms[name].floor or 0.0
            y = (y - (floor if unit == "above floor" else 0.0)) / max(1.0, terms[name].pairs)
        series.append(Series(name, x[: len(y)], y, ink))
    return series


def accuracy_series(history: History) -> list[Series]:
    """kNN of representation, projection and raw pixels and stuck pairs, in percent; at the right the effective rank."""
    rows = list(history.evaluations)
    x = column_of(rows, "step")
    start = history.start
    rank_limit = min(start.embedding_size, len(start.class_names)) if start else 1
    told = [event.classifier for event in rows]
    classifier = [Series("clf", x, np.array(told, np.float64) * 100, 3, True, "%")] if None not in told else []
    known = [event for event in rows if event.stuck_pairs is not None]
    stuck = [Series("stuck", column_of(known, "step"), column_of(known, "stuck_pairs") * 100, 4, True, "%")]
    return [
        Series("kNN", x, column_of(rows, "knn_representation") * 100, 2, True, "%"),
        *(classifier if rows else ()),
        Series("proj", x, column_of(rows, "knn_projection") * 100, 0, True, "%"),
        *(stuck if known else ()),
        Series("raw", x, column_of(rows, "knn_raw_pixels") * 100, MUTED, False, "%"),
        Series("rank", x, column_of(rows, "effective_rank"), 1, True, f"/{rank_limit}", right=True, top=rank_limit),
    ]


def gradient_series(history: History) -> list[Series]:
    """Gradient norm, and at the right the learning rate."""
    x = history.steps.column("step")
    norm, rate = (history.steps.column(name)[: len(x)] for name in ("grad_norm", "learning_rate"))
    return [Series("gradient norm", x, norm, 3), Series("learning rate", x, rate, 4, right=True)]


def speed_series(history: History) -> list[Series]:
    """Images a second, call by call; once calls have waited for data also what they would be without waiting."""
    x = history.calls.column("step")
    rate, wait = (history.calls.column(name)[: len(x)] for name in ("images_per_second", "data_wait"))
    series = [Series("images/s", x, rate, 0)]
    if len(wait) and float(wait.max()) >= WAITED:
        # Behind the measured one: the gap between the two is what a faster source of images would bring.
        series.append(Series("without waiting", x, rate / np.maximum(1 - wait, 0.01), MUTED))
    return series


def speed_flags(history: History) -> list[Flag]:
    """What slows calls down: compiling, at the top, and waiting for data, at the bottom."""
    x, wait = history.calls.column("step"), history.calls.column("data_wait")
    waited = x[np.flatnonzero(wait[: len(x)] >= WAITED)]
    # No chart has 2,000 columns: of the calls of a long run that are thinned out, another one marks the same cell.
    marks = [Flag(step, ALERT, waiting=True) for step in waited[:: 1 + len(waited) // 2000].tolist()]
    return [*flags(history), *[Flag(event.step, TEXT) for event in list(history.compiled)], *marks]


def flags(history: History) -> list[Flag]:
    """What happened, for the step axis: commands, checkpoints, warnings, and where a run was resumed."""
    marks = [Flag(event.step, FAINT) for event in list(history.checkpoints)]
    marks += [Flag(event.step, ACCENT) for event in list(history.commands)]
    marks += [Flag(event.step, GOOD) for event in list(history.starts) if event.step]
    return marks + [Flag(event.step, ALERT) for event in list(history.warnings)]


def device_rows(
    sample: Sample | None, width: int, glyphs: Glyphs, waited: float | None = None
) -> Sequence[Sequence[Span]]:
    """What training takes of the machine, one thing a row with a bar; what cannot be known has no row.

    Args:
        waited: share of the newest calls that was spent waiting for data.
    """
    if sample is None:
        return [[("nobody trains this run on this machine", MUTED)]]
    rows: list[tuple[str, float, str]] = []
    if sample.gpu is not None:
        power = f" {sample.watts:.0f} W" if sample.watts is not None else ""
        rows.append(("GPU", sample.gpu, f"{sample.gpu:.0%}{power}"))
    if sample.device_used is not None and sample.device_limit:
        share = sample.device_used / sample.device_limit
        rows.append(("GPU mem", share, f"{human_bytes(sample.device_used)} of {human_bytes(sample.device_limit)}"))
    if sample.cpu is not None:
        rows.append(("CPU", sample.cpu / sample.cpus, f"{sample.cpu:.1f} of {sample.cpus} cores"))
    if sample.resident is not None:
        most = sample.resident + sample.host_free
        text = f"{human_bytes(sample.resident)}, {human_bytes(sample.host_free)} free"
        rows.append(("memory", sample.resident / max(1, most), text))
    if sample.disk_free is not None:
        used = 1 - sample.disk_free / max(1, sample.disk_size)
        rows.append(("disk", used, f"{human_bytes(sample.disk_free)} free"))
    if waited is not None:
        rows.append(("data", waited, f"waited {waited:.0%} of the time"))
    label = max((len(name) for name, _, _ in rows), default=0)
    length = max(4, width - label - 2 - max((len(text) for _, _, text in rows), default=0) - 1)
    return [
        [(f"{name:<{label}} ", MUTED), *bar(share, length, glyphs), (f" {text}", TEXT)] for name, share, text in rows
    ]


def status_spans(session: Session, width: int, glyphs: Glyphs, *, link: str = "", spent: str = "") -> list[Span]:
    """The status line, most important first; what does not fit is left out whole."""
    history = session.history
    state = state_of(session)
    total, step = history.total_steps, history.step
    lamp = "●" if glyphs.braille else "*"
    mode = "" if session.owned_here else " (replay)" if not session.alive else " (attached)"
    mode = " (read-only)" if session.read_only and session.alive else mode
    quiet = f" for {ago(session.silent_for)}" if state is State.SILENT else ""
    owner = session.owner
    where = f" on {owner.host}" if owner is not None and owner.presence == Presence.ELSEWHERE and state.running else ""
    spans: list[Span] = [(f"{lamp} {state}{quiet}{where}{mode}", TONE[state])]
    if total:
        spans.append((f"  {step:,}/{total:,} ", TEXT))
        spans += bar(step / total, max(6, min(24, width // 8)), glyphs)
        if span_width(spans) + 5 <= width:
            spans.append((f" {step * 100 // total}%", MUTED))
    elif step:  # of a run that trains for a time, before its first plan
        spans.append((f"  step {step:,}", TEXT))
    elif session.run is not None:
        spans.append((f"  {session.run.name}", MUTED))
    codes = list(dict.fromkeys(warning.code for warning in list(history.warnings)))
    if codes:
        alarm = "! " + " ".join(codes[-2:]) + (f" +{len(codes) - 2}" if len(codes) > 2 else "")
        if span_width(spans) + cell_len(alarm) + 2 <= width:
            spans.append((f"  {alarm}", ALERT))
    rest: list[tuple[str, str]] = []
    if state is State.TRAINING:
        rest.append(("ETA", duration(history.seconds_left())))
    rate = history.speed()[1]
    if rate and state in (State.TRAINING, State.PAUSED, State.STOPPING):
        rest.append(("img/s", f"{rate:,.0f}"))
    if history.start is not None:
        age = history.checkpoint_age()
        rest.append(("checkpoint", ago(age) + (" ago" if age is not None and width >= 100 else "")))
    if width >= 100 and session.run is not None and total:
        rest.append(("run", session.run.name))
    if link:
        rest.append(("link", link))
    if spent and width >= 120:
        rest.append(("draw", spent))
    for name, value in rest:
        pair: list[Span] = [(f"  {name} ", MUTED), (value, TEXT)]
        if span_width([*spans, *pair]) <= width:
            spans += pair
    return spans


MEASURED = ("classifier", "kNN", "raw")
"""Values that test has as well."""


def value_pairs(history: History) -> list[tuple[str, str]]:
    """The latest values, the most telling first."""
    pairs: list[tuple[str, str]] = []
    newest = history.evaluations[-1] if history.evaluations else None
    if len(history.steps):
        pairs.append(("loss", short(float(history.steps.column("total")[-1]))))
    if newest is not None:
        pairs += [("classifier", f"{newest.classifier:.1%}")] if newest.classifier is not None else []
        pairs.append(("kNN", f"{newest.knn_representation:.1%}"))
        pairs.append(("raw", f"{newest.knn_raw_pixels:.1%}"))
        start = history.start
        most = min(start.embedding_size, len(start.class_names)) if start else 0
        pairs.append(("rank", f"{newest.effective_rank:.1f}/{most}"))
    if len(history.steps):
        pairs += [(name, short(float(history.steps.column(name)[-1]))) for name in history.terms]
    if newest is not None:
        pairs.append(("same cos", f"{newest.same_class_cosine:+.2f}"))
        pairs += [("stuck", f"{newest.stuck_pairs:.1%}")] if newest.stuck_pairs is not None else []
        pairs.append(("diff |cos|", f"{newest.different_class_cosine:.2f}"))
        pairs.append(("worst cos", f"{newest.largest_class_cosine:+.2f}"))
    if len(history.steps):
        pairs.append(("lr", short(float(history.steps.column("learning_rate")[-1]))))
        pairs.append(("grad", short(float(history.steps.column("grad_norm")[-1]))))
    return [pair for pair in pairs if "nan" not in pair[1]]  # such as of pairs of a class with one image; a loss is NaN


def value_spans(session: Session, width: int, glyphs: Glyphs) -> list[Span]:
    """One row: how it ended, or the newest warning, or the latest values."""
    history = session.history
    if session.error is not None and history.finished is None:
        return [(f"{session.error}", ALERT)]
    if history.test is not None:
        test = history.test
        below = test.knn_representation < test.knn_raw_pixels
        lead: list[Span] = [
            ("test kNN@20 ", MUTED),
            (f"{test.knn_representation:.2%}", ALERT if below else GOOD),
            (" BELOW raw pixels " if below else " (raw pixels ", ALERT if below else MUTED),
            (f"{test.knn_raw_pixels:.2%}", TEXT),
            ("" if below else ")", MUTED),
        ]
        if test.classifier is not None:
            ink = GOOD if test.classifier >= test.knn_raw_pixels else ALERT
            lead = [("test classifier ", MUTED), (f"{test.classifier:.2%}", ink), ("  ", MUTED), *lead]
        room = max(1, width - span_width(lead) - 2)
        # beside the accuracy on test, what the others were measured on has to be said
        pairs = [(f"val {name}" if name in MEASURED else name, value) for name, value in value_pairs(history)]
        return [*lead, ("  ", MUTED), *pairs_line(pairs, room, glyphs)]
    state = state_of(session)
    if state is State.STOPPING:
        return [(_stopping(session), ACCENT)]
    if not len(history.steps):
        ended = history.finished
        return [(_waiting(session) if ended is None else f"{ended.reason}: {ended.message}", MUTED)]
    trouble: list[Span] = [(f"{_trouble(session, state)}  ", ALERT)] if state in (State.DEAD, State.SILENT) else []
    newest = history.evaluations[-1] if history.evaluations else None
    below = newest is not None and newest.knn_representation < newest.knn_raw_pixels
    room = width - span_width(trouble)
    return [*trouble, *pairs_line(value_pairs(history), room, glyphs, bad={"kNN"} if below else ())]


def _trouble(session: Session, state: State) -> str:
    """What is wrong with whoever trains the run, and what helps."""
    owner = session.owner
    if state is State.DEAD or owner is None:
        return "its process has died, r goes on"
    if owner.stopped:
        return f"{owner} is stopped: kill -CONT {owner.pid} lets it go on"
    if owner.presence == Presence.ELSEWHERE:
        return f"{owner} cannot be asked from here: simo2 resume takes the run if nobody has it"
    return f"{owner} lives and says nothing: train.log may say why"


def _stopping(session: Session) -> str:
    if session.history.compiling:
        return "the stop is heard when the step is compiled, which nothing can interrupt"
    return "the call under way is finished, then the state is saved"


def _waiting(session: Session) -> str:
    start, state = session.history.start, state_of(session)
    if state is State.READING:
        return "reading the log of the run"
    if not state.running:
        return "nobody trains this run, and it has no step: r begins it"
    if session.progress is not None:
        return progress_words(session.progress)
    if start is None:
        return "loading jax and the data set; the first step follows in some seconds"
    return f"{start.parameters:,} parameters on {start.device}: compiling the training step"


_STAGES = {
    "waiting": "waiting for another process with",
    "download": "downloading",
    "generate": "writing",
    "labels": "reading the labels of",
    "decode": "decoding",
    "verify": "verifying",
}


def progress_words(progress: Progress) -> str:
    """What is done to the data set, and how far it is."""
    if progress.stage == "note":
        return progress.name
    show = human_bytes if progress.unit == "bytes" else "{:,} images".format
    words = f"{_STAGES.get(progress.stage, progress.stage)} {progress.name}"
    if progress.total:
        share = f" ({progress.done * 100 // progress.total}%)"
        return f"{words}: {show(progress.done)} of {show(progress.total)}{share}"
    return f"{words}: {show(progress.done)}" if progress.done else words


def plain_rows(session: Session, width: int, glyphs: Glyphs) -> Sequence[Sequence[Span]]:
    """Text only, for a terminal too small to draw in."""
    rows: list[list[Span]] = [status_spans(session, width, glyphs)]
    history = session.history
    if not len(history.steps):
        return [*rows, value_spans(session, width, glyphs)]
    pairs = [("ETA", duration(history.seconds_left()))] if state_of(session) is State.TRAINING else []
    pairs += [("img/s", f"{history.speed()[1]:,.0f}"), ("checkpoint", ago(history.checkpoint_age(time.time())))]
    pairs += value_pairs(history)
    row: list[Span] = []
    for name, value in pairs:
        pair: list[Span] = [(f"{name} ", MUTED), (f"{value}  ", TEXT)]
        if row and span_width([*row, *pair]) > width:
            rows.append(row)
            row = []
        row += pair
    newest = [line for _, text in history.log[-2:] for line in wrapped(text, max(20, width))]
    return [*rows, row, [], *([(line, MUTED)] for line in newest)]
