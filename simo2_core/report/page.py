"""The page: HTML without scripts and without anything from elsewhere, readable on a phone, on paper and in the dark."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from simo2_core.analysis.plots.style import signed
from simo2_core.report.collect import Collected, shown_score
from simo2_core.report.command import settings_changed, train_command
from simo2_core.run.state import State
from simo2_core.settings import as_typed

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b2330; --muted: #566070; --faint: #dde1e7; --card: #f4f5f7;
  --accent: #1f6fb5; --alarm: #c62828; }
@media (prefers-color-scheme: dark) { :root { --paper: #10141b; --ink: #e6e9ef; --muted: #9aa3b2; --faint: #2c3442;
  --card: #181e28; --accent: #4fa8e8; --alarm: #ff6b5e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .7rem; padding-top: .5rem; border-top: 1px solid var(--faint); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .3rem 0; max-width: 46rem; } .quiet { color: var(--muted); }
.state { font-size: .85rem; font-weight: 600; padding: .1rem .6rem; border-radius: 1rem; background: var(--card);
  color: var(--accent); vertical-align: .25rem; white-space: nowrap; } .bad { color: var(--alarm); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }
.card { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--muted); font-size: .85rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .18rem 1.1rem .18rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; overflow-wrap: normal; white-space: nowrap; } th { color: var(--muted);
  font-weight: 600; } tbody th { font-weight: 400; } tr.changed > * { color: var(--ink); font-weight: 650; }
.scroll tbody th { white-space: nowrap; overflow-wrap: normal; }
small { display: block; font-size: .75rem; opacity: .85; margin-top: -.2rem; white-space: normal; max-width: 17rem; }
thead th.n { white-space: normal; } thead th { border-bottom: 1px solid var(--faint); vertical-align: bottom; }
.columns { columns: 24rem; column-gap: 2.5rem; } .columns section { break-inside: avoid; }
pre, code { font: .85rem/1.5 ui-monospace, monospace; } pre { background: var(--card); border-radius: .5rem; margin: 0;
  padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.pictures { columns: 21rem; column-gap: 1.2rem; }
figure { margin: 0 0 1.2rem; break-inside: avoid; } figcaption { font-size: .85rem; color: var(--muted); }
img { width: 100%; border-radius: .3rem; background: #fff; } figure .close { display: none; }
figure:target { position: fixed; inset: 0; z-index: 1; padding: 1rem; overflow: auto; background: var(--paper); }
figure:target img { width: auto; max-width: 100%; display: block; margin: auto; }
figure:target .close { display: block; } a { color: var(--accent); } ul { padding-left: 1.2rem; margin: .3rem 0; }
summary { cursor: pointer; color: var(--accent); }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .pictures { columns: 2; }
  figure, tr { break-inside: avoid; } }
"""


def render_page(found: Collected) -> str:
    """The report as one HTML document; whatever a name holds is text in it and never markup."""
    title = f"{found.run.name}: simo2 report"
    parts = [
        _head(found), _cards(found), _warnings(found), _pictures(found), _evaluations(found), _measured(found),
        _commands(found), _settings(found), _facts(found), _log(found),
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _head(found: Collected) -> str:
    state = found.summary.state
    kind = "state" if state is State.COMPLETED or state.running else "state bad"
    config = found.config
    data = config.preset or config.data.dataset
    words = [f"{data}, {config.objective.name}, seed {config.seed}"]
    words.append(f"step {found.summary.step:,} of {found.summary.steps:,}")
    if found.begun is not None:
        words.append("begun " + time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(found.begun)))
    if found.finished is not None:
        spent = ", ".join(f"{name} {_duration(seconds)}" for name, seconds in found.finished.seconds.items())
        words.append(spent)
    assert found.started is not None
    words.append(f"on {found.started.device}")
    line = " · ".join(words)
    return (
        f"<header><h1>{escape(found.run.name)} <span class='{kind}'>{escape(state)}</span></h1>"
        f"<p class=quiet>{escape(line)}</p></header>"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cards(found: Collected) -> str:
    event = found.test or (found.evaluations[-1] if found.evaluations else None)
    cards: list[tuple[str, str]] = []
    note = "Nothing has been evaluated yet."
    if event is not None:
        if event.classifier is not None:
            cards.append((f"{event.classifier:.2%}", "classifier"))
        cards += [
            (f"{event.knn_representation:.2%}", "kNN@20, representation"),
            (f"{event.knn_projection:.2%}", "kNN@20, projection"),
            (f"{event.knn_raw_pixels:.2%}", "kNN@20, raw pixels"),
            (f"{event.effective_rank:.2f}", "effective rank of the projection"),
            (signed(event.largest_class_cosine), "largest cosine of two class means"),
        ]
        read = "read once, at the end" if event.split == "test" else "test has not been read"
        note = (
            f"Of {event.split} ({event.images:,} images) at step {event.step:,}; {read}. kNN: cosine, votes weighted "
            f"exp(cos/0.07), neighbours among {event.bank:,} training images."
        )
    cards += [(f"{value:.4g}", f"loss, {name}, last step") for name, value in found.losses.items()]
    boxes = "".join(f"<div class=card><b>{escape(v)}</b><span>{escape(label)}</span></div>" for v, label in cards)
    return f"<div class=cards>{boxes}</div><p class=quiet>{escape(note)}</p>"


def _warnings(found: Collected) -> str:
    lines = [f"step {w.step:,}: {w.message} {w.cure}" for w in found.warnings]
    lines += [
        f"step {r.from_step:,} was not finite; went back to step {r.step:,}, learning rate {r.learning_rate:g} from "
        "there." for r in found.rollbacks
    ]  # fmt: skip
    if found.finished is not None and found.finished.reason != "completed":
        lines.append(f"step {found.finished.step:,}: {found.finished.reason}. {found.finished.message}")
    return _section("Warnings", "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>", lines)


def _pictures(found: Collected) -> str:
    figures = []
    for number, (name, content) in enumerate(found.pictures):
        data = base64.b64encode(content).decode()
        figures.append(
            f'<figure id="picture-{number}"><a class=close href="#pictures">back to the page</a>'
            f'<a href="#picture-{number}"><img alt="{escape(name)}" src="data:image/png;base64,{data}"></a>'
            f"<figcaption>{escape(name)}</figcaption></figure>"
        )
    return _section("Pictures", f'<div class=pictures id="pictures">{"".join(figures)}</div>', figures)


def _evaluations(found: Collected) -> str:
    heads = ("step", "kNN representation", "kNN projection", "effective rank", "same-class cosine",
             "different-class |cos|", "largest class cosine")  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (f"{e.step:,}", f"{e.knn_representation:.2%}", f"{e.knn_projection:.2%}", f"{e.effective_rank:.2f}",
         f"{e.same_class_cosine:.3f}", f"{e.different_class_cosine:.3f}", signed(e.largest_class_cosine))
        for e in found.evaluations
    ]  # fmt: skip
    if len(rows) > 12:  # a long run: the first and the last ones
        rows = [*rows[:4], ("…",) * len(heads), *rows[-7:]]
    return _section("Validation while training", _table(heads, rows, numbers=range(len(heads))), rows)


def _measured(found: Collected) -> str:
    parts = []
    for data in found.measured:
        names = list(data["scores"])
        rows, notes = [], []
        for key, metric in data["metrics"].items():
            cells = [shown_score(data["scores"][name].get(key), metric) for name in names]
            if any(cell != "–" for cell in cells):
                rows.append((metric["label"], *cells))
                notes.append(f"{metric['how'] or 'as it says'}; of {metric['split']}")
        heads = ("", *(name.replace("_", " ") for name in names))
        images = ", ".join(f"{count:,} {part}" for part, count in data["images"].items())
        parts.append(
            f"<h3>{escape(str(data['data']))}, step {data['step']:,} ({escape(images)})</h3>"
            + _table(heads, rows, numbers=range(1, len(names) + 1), notes=notes)
        )
    return _section("What the embedding is worth", "".join(parts), parts)


def _commands(found: Collected) -> str:
    name = found.run.name
    lines = [train_command(found.config), f"simo2 eval {name}", f"simo2 plot {name}", f"simo2 resume {name}"]
    if found.config.tune.init is not None:
        lines[0] += f"    # begins with the weights of {found.config.tune.init}"
    version = found.facts.get("packages", {}).get("simo2", "")
    commit = found.facts.get("git_commit")
    note = f"With simo2 {version}" + (f" at commit {commit}." if commit else ".")
    note += " The same seed, settings, data and machine give the same bits."
    body = f"<pre>{escape(chr(10).join(lines))}</pre><p class=quiet>{escape(note)}</p>"
    return _section("Do it again", body, lines)


def _settings(found: Collected) -> str:
    changed = settings_changed(found.config)
    sections: dict[str, list[tuple[str, str, bool]]] = {}
    for item in found.config.settings():
        value = as_typed(found.config.get(item.name))
        sections.setdefault(item.section or "run", []).append((item.name, value, item.name in changed))
    parts = []
    for section, items in sections.items():
        rows = "".join(
            f"<tr{' class=changed' if new else ''}><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value, new in sorted(items, key=lambda item: not item[2])
        )
        parts.append(f"<section><h3>{escape(section)}</h3><table>{rows}</table></section>")
    base = found.config.preset or "the data set's defaults"
    note = f"<p class=quiet>{len(changed)} changed from {escape(base)}, in bold.</p>"
    return _section("Settings", note + f"<div class=columns>{''.join(parts)}</div>", parts)


def _facts(found: Collected) -> str:
    started = found.started
    assert started is not None
    classes = ", ".join(started.class_names[:40]) + (", …" if len(started.class_names) > 40 else "")
    rows = [
        ("images", f"{started.train_images:,} training, {started.validation_images:,} validation, "
                   f"{started.test_images:,} test"),
        ("classes", f"{len(started.class_names):,}: {classes}"),
        ("a batch", f"{started.classes_per_batch} classes × {started.samples_per_class} samples"),
        ("parameters", f"{started.parameters:,}"),
        ("folder", str(found.run.path.absolute())),
    ]  # fmt: skip
    rows += [(name, value) for name, value in _flat(found.facts)]
    return _section("Data and environment", _table(("", ""), rows, numbers=()), rows)


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} ")
        else:
            yield prefix + str(name), str(value)


def _log(found: Collected) -> str:
    text = escape("\n".join(found.log[-400:]))
    return _section(
        "Log", f"<details><summary>{len(found.log):,} lines</summary><pre>{text}</pre></details>", found.log
    )


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Iterable[int], notes: Sequence[str] = ()
) -> str:
    """A table; `numbers` are the columns to the right, and each of `notes` stands small below the head of its row."""
    right = set(numbers)
    small = [f"<small>{escape(note)}</small>" for note in notes] or [""] * len(rows)

    def cell(tag: str, column: int, text: str) -> str:
        return f"<{tag}{' class=n' if column in right else ''}>{escape(text)}</{tag}>"

    head = "".join(cell("th", column, text) for column, text in enumerate(heads))
    head = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    body = ""
    for row, note in zip(rows, small, strict=True):
        cells = "".join(cell("td", column, text) for column, text in enumerate(row[1:], start=1))
        body += f"<tr>{cell('th', 0, row[0]).removesuffix('</th>')}{note}</th>{cells}</tr>"
    return f"<div class=scroll><table>{head}<tbody>{body}</tbody></table></div>"


def _section(title: str, body: str, what: Sequence[object]) -> str:
    return f"<h2>{escape(title)}</h2>\n{body}" if what else ""
