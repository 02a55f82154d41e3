import contextlib
import dataclasses
import json
import math
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.commands import Asker, Command, Reason, Requester
from simo2_core.errors import RunError
from simo2_core.events import KINDS, Evaluated, Event, StepsLogged, from_json, from_line
from tests.simo2_tui.recorded import evaluated

_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 2**53),
    float: st.floats(allow_nan=False),
    str: st.text(),
    bool: st.booleans(),
    str | None: st.none() | st.text(),
    float | None: st.none() | st.floats(allow_nan=False),
    tuple[float, ...]: st.lists(st.floats(allow_nan=False)).map(tuple),
    tuple[int, ...]: st.lists(st.integers(0, 2**53)).map(tuple),
    tuple[str, ...]: st.lists(st.text()).map(tuple),
    Reason: st.sampled_from(Reason),
    Command: st.sampled_from(Command),
    Requester: st.text().map(Requester.parse) | st.builds(Requester, st.sampled_from(Asker), st.just("pid 7")),
    dict[str, float]: st.dictionaries(st.text(), st.floats(allow_nan=False)),
}


def _any_event() -> st.SearchStrategy[Event]:
    def of(kind: type[Event]) -> st.SearchStrategy[Event]:
        hints = typing.get_type_hints(kind)
        if kind is StepsLogged:
            return st.integers(0, 4).flatmap(_any_steps)
        values = {item.name: _VALUES[hints[item.name]] for item in dataclasses.fields(kind)}
        inside = {name: values[name].filter(_leads_nowhere) for name in ("path", "checkpoint") if name in values}
        return st.builds(kind, **values | inside)

    return st.sampled_from(sorted(KINDS)).flatmap(lambda name: of(KINDS[name]))


def _leads_nowhere(path: str | None) -> bool:
    """Whether a path stays inside the run; events with others are refused."""
    return path is None or not (path.startswith("/") or ".." in path.split("/") or "\0" in path)


def _any_steps(count: int) -> st.SearchStrategy[StepsLogged]:
    row = st.tuples(*[_VALUES[float]] * count)
    terms = st.dictionaries(st.sampled_from(("same", "mean", "diff", "pull")), row)
    return st.builds(StepsLogged, step=_VALUES[int], time=_VALUES[float], total=row, terms=terms, grad_norm=row,
                     learning_rate=row, steps_per_second=_VALUES[float], images_per_second=_VALUES[float],
                     data_wait=_VALUES[float])  # fmt: skip


@given(_any_event())
def test_every_event_survives_a_line_of_strict_json(event: Event) -> None:
    line = event.to_line()
    assert "\n" not in line
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert from_line(line) == event


def _steps(total: tuple[float, ...]) -> StepsLogged:
    row = (0.0,) * len(total)
    terms = dict.fromkeys(("same", "mean", "diff"), row)
    return StepsLogged(
        step=5,
        total=total,
        terms=terms,
        grad_norm=row,
        learning_rate=row,
        steps_per_second=1,
        images_per_second=1,
        data_wait=0,
    )


def test_numbers_that_are_not_finite_survive() -> None:
    event = from_line(_steps((math.nan, math.inf, -math.inf)).to_line())
    assert isinstance(event, StepsLogged)
    assert math.isnan(event.total[0])
    assert event.total[1:] == (math.inf, -math.inf)
    assert event.last_step == 7


@pytest.mark.parametrize("name", ["same", "grad_norm", "learning_rate"])
def test_numbers_of_another_length_are_refused(name: str) -> None:
    data = json.loads(_steps((1.0, 2.0)).to_line())
    with pytest.raises(RunError, match=f"'{name}' has another length"):
        from_line(json.dumps({**data, name: [1.0]}))


def test_a_step_that_fits_into_no_array_is_refused() -> None:
    data = json.loads(_steps((1.0, 2.0)).to_line())
    assert from_line(json.dumps({**data, "step": 2**53})).step == 2**53
    with pytest.raises(RunError, match="unfit 'step'"):
        from_line(json.dumps({**data, "step": 2**53 + 1}))


def test_the_line_of_steps_is_what_outsiders_rely_on() -> None:
    data = json.loads(_steps((1.0, 2.0)).to_line())
    assert (data["event"], data["step"], data["total"]) == ("steps", 5, [1.0, 2.0])


@given(st.binary())
def test_any_bytes_are_an_event_or_a_run_error(line: bytes) -> None:
    with pytest.raises(RunError):
        from_line(line)


@given(_any_event(), st.data())
def test_a_damaged_field_is_an_event_or_a_run_error(event: Event, data: st.DataObject) -> None:
    body = event.to_json()
    field = data.draw(st.sampled_from(sorted(body)))
    body[field] = data.draw(st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))
    with contextlib.suppress(RunError):
        assert isinstance(from_json(body), Event)


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(RunError, match="Update simo2"):
        from_json({**_steps((1.0,)).to_json(), "v": 99})


def test_an_evaluation_from_before_stuck_pairs_were_measured_is_read() -> None:
    now = evaluated(40, 0.5)
    body = now.to_json()
    del body["stuck_pairs"], body["classifier"], body["least_class_cosine"]
    assert from_json(body) == dataclasses.replace(now, stuck_pairs=None, least_class_cosine=None)


def test_every_evaluation_of_before_it_was_told_counts_and_none_is_without_its_step() -> None:
    data = evaluated(40, 1.0).to_json()
    del data["counts"]
    seen = from_json(data)
    assert isinstance(seen, Evaluated)
    assert seen.counts
    del data["step"]
    with pytest.raises(RunError, match="has no 'step'"):
        from_json(data)
