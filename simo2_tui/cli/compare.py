"""`simo2 compare`: objectives and encoders against each other, over seeds."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from simo2_core.errors import INTERRUPTED, DivergedError
from simo2_tui.cli.headless import decode_images, listen, say
from simo2_tui.cli.options import DEFAULT_RUN_DIR, JsonOption, RunDirOption, resolve, with_settings
from simo2_tui.ending import end_at_once_if_busy
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.compare.outcome import Outcome
    from simo2_core.compare.plan import Plan, PlannedRun
    from simo2_core.compare.results import Cell
    from simo2_core.events import Event

    Progress = Callable[[PlannedRun, Event], None]

_DEFAULT_ARMS = "simo2,simo2-published,supcon,cross_entropy,autoencoder"


def _compare(
    *,
    preset: Annotated[
        str | None, typer.Option(help="The data set and settings to begin with: see simo2 presets. [default: digits]")
    ] = None,
    objectives: Annotated[
        str,
        typer.Option(
            metavar="ARMS",
            help="What to compare, comma separated, the first against all others: simo2, simo2-published, "
            "supcon, cross_entropy, autoencoder, simclr, simo2-views, or another objective by name; with more "
            "settings as simo2:epsilon=1:pull=balanced.",
        ),
    ] = _DEFAULT_ARMS,
    encoders: Annotated[
        str, typer.Option(metavar="NAMES", help="Train every one of them with each of these encoders, comma separated.")
    ] = "",
    seeds: Annotated[int, typer.Option(help="Runs of each, from --seed on.", min=2, max=1000)] = 5,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="SETTING",
            help="Choose it for each on validation, by one trial a value: lr, or NAME=V1,V2,...; or two in a grid, "
            "NAME=V1,V2:OTHER=W1,W2, which is drawn as a heat map.",
        ),
    ] = None,
    devices: Annotated[
        int, typer.Option(help="Run on so many devices at once; 0 takes all accelerators.", min=0, max=4096)
    ] = 0,
    run_dir: RunDirOption = DEFAULT_RUN_DIR,
    name: Annotated[
        str | None, typer.Option(help="Name of the folder; the same name with the same settings goes on.")
    ] = None,
    as_json: JsonOption = False,
    settings: Mapping[str, Any],
) -> None:
    """Compare objectives by runs that differ in nothing else: `simo2 compare --preset digits --seeds 5`.

    Same data, same order of it, same batch and same steps for all; with --minutes, which some presets have, the same
    time. An interrupted comparison goes on when it is started again with the same --name. Settings below hold for all
    arms.
    """
    from simo2_core.compare.carry_out import count_devices, open_comparison, unless_begun
    from simo2_core.compare.plan import make_plan
    from simo2_core.pretrained.place import is_pretrained
    from simo2_core.run.directory import find_run

    named = _names(encoders)
    base = resolve(preset, {"encoder": named[0], **settings} if named else settings)
    if base.tune.init is not None and not is_pretrained(base.tune.init):
        find_run(base.tune.init, run_dir)  # before the first run, which would be the first to miss it
    plan = make_plan(base, _names(objectives), named, seeds, sweep)
    workers = devices or count_devices()
    folder = open_comparison(run_dir, name or f"compare-{base.preset or 'data'}", plan)
    with unless_begun(folder):
        decode_images(plan.base.images, quiet=as_json)
        _tell(folder, plan, _carry_out(folder, plan, workers, as_json), as_json)


compare_command = with_settings(_compare)


class _Found(NamedTuple):
    """What a comparison came to."""

    chosen: dict[str, Any]
    """The choice of the sweep, by arm."""
    trials: list[Outcome]
    outcomes: list[Outcome]


def _carry_out(folder: Path, plan: Plan, workers: int, as_json: bool) -> _Found:
    """Trains and measures everything; ends the command when it is stopped."""
    from simo2_core.compare.carry_out import carry_out_all, make_stop
    from simo2_core.compare.results import choose

    stop = make_stop(workers)
    trials: list[Outcome] = []
    outcomes: list[Outcome] = []
    total = len(plan.trials()) + len(plan.runs({}))
    with _progress(plan, total, as_json) as (tell, done), listen(lambda _: stop.set(), say):
        for outcome in carry_out_all(folder, plan.trials(), workers, tell, stop):
            trials.append(outcome)
            done(outcome, True)
        chosen = choose(plan, trials)
        if len(trials) == len(plan.trials()):
            for outcome in carry_out_all(folder, plan.runs(chosen), workers, tell, stop):
                outcomes.append(outcome)
                done(outcome, False)
    if len(trials) + len(outcomes) < total:
        saved = f"{len(trials) + len(outcomes)} of {total} runs are done, and what the others have is saved"
        print_visible(f"simo2: stopped; {saved}. The same command with --name {folder.name} goes on.", error=True)
        end_at_once_if_busy(INTERRUPTED)
        raise typer.Exit(INTERRUPTED)
    return _Found(chosen, trials, outcomes)


def _tell(folder: Path, plan: Plan, found: _Found, as_json: bool) -> None:
    """Writes what was found, draws it, and shows it."""
    from simo2_core.compare.pictures import draw_comparison  # imports jax, in which a Ctrl+C that raises can get lost
    from simo2_core.compare.results import to_json
    from simo2_core.evaluation.assess import write_json

    outcomes = found.outcomes
    result = to_json(plan, found.chosen, outcomes, ("representation", "projection"), found.trials)
    write_json(folder / "results.json", result)
    nothing = all(outcome.diverged for outcome in outcomes)
    drawn = [] if nothing else draw_comparison(folder, plan, outcomes, found.trials, found.chosen)
    files = [folder / "results.json", *drawn]
    if as_json:
        print(json.dumps({"event": "result", **result, "files": [str(path) for path in files]}))
    if nothing:
        cure = "Give another --name and a smaller --learning-rate, or --sweep lr."
        raise DivergedError(f"every run of {folder} diverged. {cure}")
    if as_json:
        return
    _table(plan, found)
    print_visible(f"Written: {', '.join(map(str, files))}")


def _names(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@contextmanager
def _progress(plan: Plan, total: int, as_json: bool) -> Iterator[tuple[Progress, Callable[[Outcome, bool], None]]]:
    """What is trained: a bar on a terminal, elsewhere a line as it comes; one line for each finished run."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from simo2_core.events import Planned, RunStarted, StepsLogged
    from simo2_tui.cli.printing import make_console, text_column

    console = make_console(file=sys.stderr)
    columns = (text_column("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=as_json or not console.is_terminal) as bars:
        all_runs = bars.add_task("runs", total=total)
        one = bars.add_task("", total=None, visible=False)

        last: dict[str, int | None] = {}  # by run, its last step; None of one for a time that has not planned it yet

        def called(arm: str, value: Any, seed: int) -> str:
            what = f" with {plan.sweep.told(value)}" if value is not None and plan.sweep else ""
            return f"{arm}{what}, seed {seed}"

        def tell(job: PlannedRun, event: Event) -> None:
            if isinstance(event, RunStarted):
                last[job.name] = event.planned_steps
            elif isinstance(event, Planned):
                last[job.name] = event.steps
            elif isinstance(event, StepsLogged):
                total = last.get(job.name)
                bars.update(one, description=job.name, total=total, completed=event.last_step, visible=True)
            if not as_json and not console.is_terminal and (news := _news(job, event, last.get(job.name))):
                console.print(
                    f"{called(job.arm, job.value if job.trial else None, job.config.seed)}: {news}", soft_wrap=True
                )

        def done(outcome: Outcome, trial: bool) -> None:
            bars.advance(all_runs)
            if as_json:
                body = {"event": "run_measured", "trial": trial, "arm": outcome.arm, "seed": outcome.seed}
                body |= {"value": outcome.value, "validation": outcome.validation, "diverged": outcome.diverged}
                print(json.dumps(body), flush=True)
                return
            came = "diverged" if outcome.diverged else f"validation kNN@20 {outcome.validation:.2%}"
            name = called(outcome.arm, outcome.value if trial else None, outcome.seed)
            bars.console.print(f"{name}: {came}", soft_wrap=True)

        yield tell, done


def _news(job: PlannedRun, event: Event, last: int | None) -> str | None:
    """What a run of a comparison, which ends with step `last`, has come to, for a log; None for what needs no line."""
    from simo2_core.events import Evaluated, RunFinished, RunStarted

    if isinstance(event, RunStarted):
        if last is None:
            return f"trains, {job.config.minutes:g} minutes"
        return f"trains, from step {event.step:,} of {last:,}" if event.step else f"trains, {last:,} steps"
    if isinstance(event, Evaluated) and event.split == "validation" and (last is None or event.step < last):
        return f"step {event.step:,}: validation kNN@20 {event.knn_representation:.2%}"
    if isinstance(event, RunFinished) and event.reason.done and job.assessed:
        return "trained; is measured on test"
    return None


def _table(plan: Plan, found: _Found) -> None:
    from simo2_core.compare.results import cells

    outcomes = found.outcomes
    tables = {features: cells(plan, outcomes, features) for features in ("representation", "projection")}
    print_visible("\n".join(table_lines(plan, found.chosen, tables, _raw_pixels(outcomes), _diverged(outcomes))))
    print_visible("".join(f"{line}\n" for line in grid_lines(plan, found.trials)), end="")


def _raw_pixels(outcomes: Sequence[Outcome]) -> dict[str, float]:
    return next((outcome.scores["raw_pixels"] for outcome in outcomes if "raw_pixels" in outcome.scores), {})


def _diverged(outcomes: Sequence[Outcome]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for outcome in outcomes:
        counted[outcome.arm] = counted.get(outcome.arm, 0) + outcome.diverged
    return counted


_WIDTH = 80
"""Of the narrowest terminal, and of what an output that is none is read on."""
_HEADS = {
    "knn_20": "kNN@20", "nearest_class_mean": "class means", "linear_probe": "probe", "shot_5": "5 labels",
    "map_at_r": "mAP@R", "nearest_mean_by_r": "by r", "class_max_abs_cosine": "max|cos|",
    "class_opposite": "opposite", "effective_rank": "rank", "rank_inside": "rank inside",
    "same_right_angle": "right angle", "seconds": "seconds",
}  # fmt: skip


def table_lines(
    plan: Plan,
    chosen: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, Mapping[str, Cell]]],
    raw: Mapping[str, float],
    diverged: Mapping[str, int],
) -> list[str]:
    """Two tables for people, what the arms are worth and where their classes lie: rows are arms."""
    from simo2_core.compare.pictures import GEOMETRY, WORTH
    from simo2_core.evaluation.measures import rows_of

    shares = {row.key for row in rows_of() if row.share}
    first = plan.arms[0].name
    lines = [
        f"Test, mean ± 95% interval of the mean over {len(plan.seeds)} seeds; p: of the projection,",
        f"else of the representation. * differs from {first} by a paired t-test over",
        "seeds, two-sided p < 0.05.",
    ]
    for columns in (WORTH, GEOMETRY):
        prefixed = columns is WORTH  # geometry is of the projection throughout
        heads = [("p:" if features == "projection" and prefixed else "") + _HEADS[key] for features, key in columns]
        rows = {
            arm.name: [_cell(tables[features][arm.name].get(key), key in shares) for features, key in columns]
            for arm in plan.arms
        }
        if raw and prefixed:
            known = [raw.get(key) if features == "representation" else None for features, key in columns]
            rows["raw pixels"] = ["" if value is None else f"{100 * value:.1f}     " for value in known]
        lines += ["", *_in_pieces("" if prefixed else "geometry, p:", heads, rows)]
    lines += ["", *(f"{arm}: {count} of {len(plan.seeds)} runs diverged." for arm, count in diverged.items() if count)]
    if plan.sweep is not None:
        sweep = plan.sweep
        picked = "; ".join(f"{arm}: {sweep.told(choice)}" for arm, choice in chosen.items())
        lines.append(f"Chosen on validation by one trial each: {picked}.")
    return lines


def _in_pieces(corner: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """A table in as few pieces as fit 80 columns, about as wide as each other, with a blank line between them."""
    named = max(map(len, (corner, *rows)))
    sizes = [2 + max(map(len, cells)) for cells in zip(heads, *rows.values(), strict=True)]
    room = max(1, _WIDTH - 1 - named)
    fewest = len(_cut(sizes, room))
    narrowest = next(width for width in range(1, room + 1) if len(_cut(sizes, width)) == fewest)
    lines: list[str] = []
    for piece in _cut(sizes, narrowest):
        lines += [""] if lines else []
        for name, cells in ((corner, heads), *rows.items()):
            shown = zip(cells[piece], sizes[piece], strict=True)
            lines.append((f"{name:<{named}}" + "".join(f"{cell:>{size}}" for cell, size in shown)).rstrip())
    return lines


def _cut(sizes: Sequence[int], room: int) -> list[slice]:
    """Columns of these sizes by what fits into `room`, at least one at a time."""
    pieces: list[slice] = []
    begin = 0
    while begin < len(sizes):
        end = begin + 1
        while end < len(sizes) and sum(sizes[begin : end + 1]) <= room:
            end += 1
        pieces.append(slice(begin, end))
        begin = end
    return pieces


def grid_lines(plan: Plan, trials: Sequence[Outcome]) -> list[str]:
    """The validation kNN of the trials of a grid, a table for each arm; nothing where there is no grid."""
    from simo2_core.compare.results import trial_map
    from simo2_core.settings import as_typed

    if plan.sweep is None or not plan.sweep.grid:
        return []
    down, across = plan.sweep.axes
    heads = [as_typed(value) for value in across.values]
    corner = f"{down.setting} \\ {across.setting}"
    lines = []
    for arm in dict.fromkeys(trial.arm for trial in trials):
        lines.append(f"{arm}: validation kNN@20 of each trial, %")
        tried = trial_map(plan, trials, arm, "validation")
        rows = {
            as_typed(value): ["-" if math.isnan(share) else f"{100 * share:.1f}" for share in shares]
            for value, shares in zip(down.values, tried, strict=True)
        }
        lines += _in_pieces(corner, heads, rows)
    return lines


def _cell(cell: Cell | None, share: bool) -> str:
    if cell is None:
        return "-"
    scale, digits = (100, 1) if share else (1, 2)
    mark = "*" if math.isfinite(cell.p) and cell.p < 0.05 else " "
    return f"{scale * cell.mean:.{digits}f}±{scale * cell.interval:.{digits}f}{mark}"
