"""A run as TensorBoard's event files, through TensorBoard's own writer, which needs no TensorFlow."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event as Line
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from simo2_core.events import Event, PlotSaved, RolledBack, RunFinished, RunStarted, WarningRaised
from simo2_core.run.directory import RunDirectory
from simo2_core.trackers.series import series, settings
from simo2_core.trackers.tracker import Tracker

_FLUSH_SECONDS = 5


class TensorboardTracker(Tracker):
    """A file of events in a folder."""

    def __init__(self, run: RunDirectory, folder: Path) -> None:
        self._run = run
        self.where = f"tensorboard --logdir {folder}"
        self._writer = EventFileWriter(str(folder), flush_secs=_FLUSH_SECONDS)

    def write(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._begin(event)
            case RolledBack():
                self._forget_after(event)
            case PlotSaved():
                self._picture(event)
            case WarningRaised():
                self._add(event, text_pb(f"warnings/{event.code}", f"{event.message} {event.cure}"))
            case RunFinished():
                self._add(event, text_pb("finished", f"{event.reason}: {event.message}"))
            case _:
                for step, row in series(event):
                    values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
                    self._add(event, Summary(value=values), step=step)

    def _begin(self, event: RunStarted) -> None:
        if event.step:
            self._forget_after(event)
        config = settings(self._run.config)
        rows = [f"| {name} | {value} |" for name, value in (config | self._run.facts).items()]
        self._add(event, text_pb("config", "\n".join(["| setting | value |", "|---|---|", *rows])))
        plain = {name: value if isinstance(value, bool | int | float) else str(value) for name, value in config.items()}
        self._add(event, hparams_pb(plain, trial_id=self._run.name, start_time_secs=event.time))

    def _forget_after(self, event: Event) -> None:
        """Makes TensorBoard drop what this folder says of later steps: they are told again."""
        self._line(event, event.step + 1, session_log=SessionLog(status=SessionLog.START))

    def _picture(self, event: PlotSaved) -> None:
        path = self._run.path / event.path
        if not path.exists():
            return
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])  # the header of a PNG
        image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=data)
        self._add(event, Summary(value=[Summary.Value(tag=f"plots/{path.stem}", image=image)]))

    def _add(self, event: Event, summary: Any, step: int | None = None) -> None:
        self._line(event, event.step if step is None else step, summary=summary)

    def _line(self, event: Event, step: int, **what: Any) -> None:
        self._writer.add_event(Line(wall_time=event.time, step=step, **what))

    def close(self) -> None:
        self._writer.close()
