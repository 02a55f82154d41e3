import json
import re
from pathlib import Path

import pytest

import simo2_core
from simo2_core.errors import NewerFormatError
from simo2_core.events import VERSION, Event, PlotSaved, WarningRaised
from simo2_core.run.event_file import Damage, EventLog, LineReader, drop_after, read_ends, read_events

ONE, TWO = PlotSaved(step=1, time=1.0, path="a"), PlotSaved(step=2, time=2.0, path="b")


def line(event: Event, version: int = VERSION) -> bytes:
    return json.dumps({**event.to_json(), "v": version}).encode() + b"\n"


def every_reader(path: Path) -> list[list[Event]]:
    """What each way of reading makes of a log."""
    lines, _ = LineReader(path).read()
    return [
        [event for event in read_events(path) if not isinstance(event, WarningRaised)],
        list(read_events(path, warn=False)),
        list(Damage(path).decode(lines)),
        read_ends(path, 1 << 20),
    ]


@pytest.mark.parametrize("torn", [b"", b"{", line(TWO)[:-1], b"\xff" * 100])
@pytest.mark.parametrize("damage", [b"", b"nonsense\n", b"\n", b"[]\n", b"\0\0\n", line(TWO, VERSION + 1), b"\r\n"])
def test_every_reader_and_writer_agrees_on_what_a_line_is(tmp_path: Path, damage: bytes, torn: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(ONE) + damage + line(TWO) + torn)
    assert every_reader(path) == [[ONE, TWO]] * 4
    *_, last = read_events(path)
    assert isinstance(last, WarningRaised) == bool(damage)
    assert drop_after(path, 1) == bool(damage)
    assert every_reader(path) == [[ONE]] * 4
    path.write_bytes(line(ONE) + damage + torn)
    log = EventLog(path)
    log.write(TWO)
    log.close()
    assert every_reader(path) == [[ONE, TWO]] * 4


def test_what_a_newer_simo2_wrote_is_passed_over_by_readers_and_never_dropped(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    newer = line(ONE) + line(TWO, VERSION + 1) * 2
    path.write_bytes(newer)
    assert every_reader(path) == [[ONE]] * 4
    *_, warning = read_events(path)
    assert isinstance(warning, WarningRaised)
    assert warning.cure.endswith("Update simo2.")
    with pytest.raises(NewerFormatError, match=r"Update simo2\."):
        drop_after(path, 1)
    assert path.read_bytes() == newer


def test_a_log_that_is_deleted_under_its_writer_comes_back_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "events.jsonl"
    log = EventLog(path)
    log.write(ONE)
    path.unlink()
    log.write(TWO)
    assert list(read_events(path)) == [ONE, TWO]
    path.unlink()
    folder.rmdir()
    assert log.write(ONE) is None, "there is nowhere to put it yet"
    folder.mkdir()
    log.write(TWO)
    log.close()
    assert list(read_events(path)) == [ONE, TWO, ONE, TWO]


def test_nothing_else_opens_the_log() -> None:
    root = Path(simo2_core.__file__).parents[1]
    opens = re.compile(r"events_path\.(open|read|write)|open\([^)]*events_path|(?<![.\w])from_line\(")
    found = {
        path.relative_to(root).as_posix()
        for folder in ("simo2_core", "simo2_tui")
        for path in (root / folder).rglob("*.py")
        if opens.search(path.read_text())
    }
    assert found == {"simo2_core/run/event_file.py", "simo2_core/events.py", "simo2_core/trackers/service.py"}
