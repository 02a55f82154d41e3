"""How `simo2 train` shows a run: drawn for a terminal, told in lines for a pipe, or as JSON for a program."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simo2_core.commands import Reason
from simo2_core.config import Config
from simo2_core.events import (
    Evaluated,
    Event,
    Planned,
    PlotSaved,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
    WarningRaised,
)
from simo2_core.presets import data_name
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import describe
from simo2_core.run.rising import Followed
from simo2_core.run.time_left import TimeLeft, in_words
from simo2_tui.cli.printing import make_console, text_column
from simo2_tui.plain_lines import print_visible

PROTOCOL = "kNN@20: cosine, votes weighted exp(cos/0.07), neighbours among {bank:,} training images"


class Display(ABC):
    """Shows events one after another, then a summary. Use it as a context manager around the run."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.started: RunStarted | None = None
        self.planned_steps = None if config.minutes else config.steps
        """The step at which the run will be finished, once known."""
        self.steps: StepsLogged | None = None
        self.validation: Evaluated | None = None
        self.test: Evaluated | None = None
        self.finished: RunFinished | None = None
        self.plots: dict[str, None] = {}
        self.time_left = TimeLeft()
        self.evaluations: list[Evaluated] = []
        """Of validation; those of earlier starts too."""
        self.followed = Followed()
        """How validation kNN has gone in them, and a loss that is followed."""

    @property
    def reason(self) -> Reason:
        """How the run ended."""
        return self.finished.reason if self.finished else Reason.FAILED

    def show(self, event: Event) -> None:
        """Takes in one event and draws it."""
        self.time_left.add(event)
        match event:
            case RunStarted():
                self.started = event
                self.planned_steps = event.planned_steps
                self._go_back(event.step)
            case RolledBack():
                self._go_back(event.step)
            case Planned():
                self.planned_steps = event.steps
            case StepsLogged():
                self.steps = event
            case Evaluated(split="test"):
                self.test = event
            case Evaluated():
                self.validation = event
                self.evaluations.append(event)
                self.followed = self.followed.after(event)
            case PlotSaved():
                self.plots[event.path] = None
            case RunFinished():
                self.finished = event
            case _:
                pass
        self.draw(event)

    def _go_back(self, step: int) -> None:
        """Forgets the evaluations of later steps, which are told again."""
        self.evaluations = [event for event in self.evaluations if event.step <= step]
        self.followed = Followed.through(self.evaluations)

    @abstractmethod
    def draw(self, event: Event) -> None:
        """Draws one event that has been taken in."""

    @abstractmethod
    def summary(self, run: RunDirectory) -> None:
        """Says how it ended, after the last event."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def make_display(config: Config, *, plain: bool, as_json: bool) -> Display:
    """The display that suits where the output goes."""
    if as_json:
        return JsonDisplay(config)
    return PlainDisplay(config) if plain else RichDisplay(config)


_WHERE_MEASURED = {
    "classifier": "the classifier itself, no kNN",
    "knn_views": "representation, averaged over views",
    "classifier_views": "the classifier, averaged over views",
}
"""Accuracies of test that not every run has, with what they are of."""


def result(run: RunDirectory, test: Evaluated | None, finished: RunFinished | None) -> dict[str, Any]:
    """The last line of `--json`: what the run came to."""
    accuracies = ["knn_representation", "knn_projection", "knn_raw_pixels"]
    if test is not None:
        accuracies += [name for name in _WHERE_MEASURED if getattr(test, name) is not None]
    checkpoint = finished.checkpoint if finished else None
    return {
        "event": "result",
        "reason": finished.reason if finished else Reason.FAILED,
        "step": finished.step if finished else 0,
        "run": str(run.path),
        "checkpoint": str(run.path / checkpoint) if checkpoint else None,
        "test": {name: getattr(test, name) for name in accuracies} | {"images": test.images, "bank": test.bank}
        if test
        else None,
        "seconds": finished.seconds if finished else {},
    }


class JsonDisplay(Display):
    """Events as JSON lines, the result as the last one."""

    def draw(self, event: Event) -> None:
        print(event.to_line(), flush=True)

    def summary(self, run: RunDirectory) -> None:
        print(json.dumps(result(run, self.test, self.finished)), flush=True)


class PlainDisplay(Display):
    """One line per log interval, and one for everything else that happens."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._next = config.log_rate

    def draw(self, event: Event) -> None:
        if isinstance(event, StepsLogged):
            while self._next <= event.last_step:
                if self._next >= event.step:
                    self._line(event, self._next)
                self._next += self.config.log_rate
            return
        if isinstance(event, Evaluated) and event.split == "validation" and self.followed.stalled:
            print_visible(f"{describe(event)}; {self.followed.stalled}")
            return
        if isinstance(event, RolledBack):  # the steps after it are told again
            self._next = (event.step // self.config.log_rate + 1) * self.config.log_rate
        if line := describe(event):
            print_visible(line)

    def _line(self, event: StepsLogged, step: int) -> None:
        i = step - event.step
        losses = " ".join(f"{name} {event.series(name)[i]:.4f}" for name in ("total", *event.terms))
        of = f"/{self.planned_steps}" if self.planned_steps else ""
        print_visible(
            f"step {step}{of} loss {losses} grad-norm {event.grad_norm[i]:.3g} "
            f"lr {event.learning_rate[i]:.2e} "
            f"{event.steps_per_second:.1f} steps/s {event.images_per_second:,.0f} images/s"
            + ("" if self.time_left.seconds is None else f" {in_words(self.time_left.seconds)} left"),
        )

    def summary(self, run: RunDirectory) -> None:
        for line in summary_lines(self, run):
            print_visible(line)
        sys.stdout.flush()


class RichDisplay(Display):
    """A progress bar, the loss components against their floors, and what validation says."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._console = make_console()
        uneven = config.minutes or config.grow_from  # the bar by itself takes all steps to last as long
        eta = text_column("{task.fields[eta]}") if uneven else TimeRemainingColumn(compact=True)
        self._progress = Progress(
            text_column("{task.description}", "bold"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            text_column("{task.fields[rate]}"),
            text_column("ETA"),
            eta,
            console=self._console,
            expand=True,
        )
        self._task = self._progress.add_task(data_name(config), total=self.planned_steps, rate="compiling", eta="")
        self._live = Live(self._render(), console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def draw(self, event: Event) -> None:
        match event:
            case StepsLogged():
                rate = f"{event.steps_per_second:.1f} steps/s {event.images_per_second:,.0f} images/s"
                left = self.time_left.to_the_end(event.last_step, self.planned_steps, event.steps_per_second)
                self._progress.update(self._task, completed=event.last_step, rate=rate, eta=in_words(left or 0))
            case Planned():
                self._progress.update(self._task, total=event.steps)
            case RunStarted():
                self._progress.update(self._task, completed=event.step, total=event.planned_steps)
                self._live.console.print(describe(event))
            case RolledBack():
                self._progress.update(self._task, completed=event.step)
                self._live.console.print(Text(describe(event), style="yellow"))
            case WarningRaised():
                self._live.console.print(Text(describe(event), style="yellow"))
            case _:
                pass
        self._live.update(self._render(), refresh=True)

    def _render(self) -> Group:
        return Group(self._progress, self._losses(), self._quality())

    def _losses(self) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for column in ("loss", "sum", "per pair", "floor per pair"):
            table.add_column(column, justify="left" if column == "loss" else "right")
        if self.started and self.steps:
            shape = (self.started.classes_per_batch, self.started.samples_per_class)
            for name, term in self.config.objective.terms(*shape).items():
                value = self.steps.series(name)[-1]
                floor = "unknown" if term.floor is None else f"{term.floor / term.pairs:.4f}"
                table.add_row(name, f"{value:,.3f}", f"{value / term.pairs:.4f}", floor)
        return table

    def _quality(self) -> Text:
        if self.validation is None:
            return Text("validation kNN: not measured yet", style="dim")
        seen = self.validation
        return Text(
            f"validation kNN@20 {seen.knn_representation:.2%} (representation) {seen.knn_projection:.2%} (projection) "
            f"against raw pixels {seen.knn_raw_pixels:.2%}; effective rank {seen.effective_rank:.1f}; step {seen.step}"
            + (f". {self.followed.told}" if self.followed.told else "")
        )

    def summary(self, run: RunDirectory) -> None:
        self._console.print()
        if self.test:
            table = Table(title=_test_title(self.test, self.config), title_justify="left", header_style="bold")
            table.add_column("features")
            table.add_column("kNN@20 accuracy", justify="right")
            for name, accuracy in _accuracies(self.test):
                table.add_row(name, f"{accuracy:.2%}")
            self._console.print(table)
            self._console.print(f"{PROTOCOL.format(bank=self.test.bank)}.", style="dim")
        for line in summary_lines(self, run, accuracies=False):
            self._console.print(line, soft_wrap=True)


def _test_title(test: Evaluated, config: Config) -> str:
    read_with = "average of the weights at" if config.optim.average else "weights of"
    return f"Test: {test.images:,} images, read once, with the {read_with} step {test.step}"


def _accuracies(test: Evaluated) -> list[tuple[str, float]]:
    return [
        ("representation (pooled features)", test.knn_representation),
        ("projection (embedding)", test.knn_projection),
        ("raw pixels (baseline)", test.knn_raw_pixels),
        *((said, value) for name, said in _WHERE_MEASURED.items() if (value := getattr(test, name)) is not None),
    ]


def summary_lines(display: Display, run: RunDirectory, *, accuracies: bool = True) -> list[str]:
    """The end of a run in plain lines; all of it can be read again from the run's folder."""
    lines = []
    if display.test and accuracies:
        lines.append(f"{_test_title(display.test, display.config)}. {PROTOCOL.format(bank=display.test.bank)}:")
        lines += [f"  {name}: {accuracy:.2%}" for name, accuracy in _accuracies(display.test)]
    if display.finished:
        seconds = ", ".join(f"{name} {value:.1f} s" for name, value in display.finished.seconds.items())
        lines.append(f"Time: {seconds}")
        if display.finished.checkpoint:
            lines.append(f"Checkpoint: {run.path / display.finished.checkpoint}")
    if display.plots:
        lines.append(f"Plots: {', '.join(str(run.path / path) for path in sorted(display.plots))}")
    if display.reason.done:
        lines.append(f"Next: simo2 plot {run.path}")
    elif display.finished and (display.finished.checkpoint or display.reason.early):
        lines.append(f"{'Continue' if display.finished.checkpoint else 'Begin again'}: simo2 resume {run.path}")
    return lines
