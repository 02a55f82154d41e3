"""Some steps of training in a process of its own, to know how long a run would take before it starts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from simo2_core.child import child_environment, last_words, module_command, read_answer, scratch_file
from simo2_core.config import Config
from simo2_tui.session.estimate import Pace, preset_of

SECONDS = 5.0
"""How long steps are taken, compiling and the first calls apart."""

CALLS_BEFORE = 3
"""Calls that are not counted: they find out how many steps a call should have."""


class Trial:
    """Compiles and takes some steps of a run; `done` says when `pace` is there."""

    def __init__(self, config: Config) -> None:
        """Starts at once. The images are random ones in the shape of the preset's: none is read or downloaded."""
        self.config = config
        self.reason = ""
        self._files = contextlib.ExitStack()
        self._told, self._said = (self._files.enter_context(scratch_file()) for _ in range(2))
        self._process = subprocess.Popen(
            module_command("simo2_tui.session.trial", json.dumps(config.to_json())),
            stdin=subprocess.DEVNULL,
            stdout=self._told,
            stderr=self._said,
            start_new_session=True,
            env=child_environment(),
        )

    @property
    def done(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def pace(self) -> Pace | None:
        """What was measured, or None when it failed: then `reason` says why."""
        self._process.wait()
        answer = read_answer(last_words(self._told))
        try:
            for name in ("step_seconds", "evaluation_seconds", "compile_seconds"):
                answer = {**answer, name: float(answer[name])}
            return Pace(**{**answer, "config": self.config})
        except (KeyError, ValueError, TypeError):
            self.reason = last_words(self._said) or f"exit code {self._process.returncode}"
            return None
        finally:
            self._files.close()

    def cancel(self) -> None:
        """Ends the process, and waits for its end."""
        self._process.kill()
        self._process.wait()
        self._files.close()


def take_steps(config: Config, seconds: float = SECONDS) -> Pace:
    """Trains for `seconds` on random images in a folder that is gone afterwards, and says how fast it went.

    The images have full size throughout, where those of the run would grow. Weights to begin with are not read: with
    others a step takes as long. Pretrained ones say which encoder it is.
    """
    import jax  # in the child process only: seconds, and all processors while it compiles

    from simo2_core.bench.synthetic import synthetic_dataset
    from simo2_core.events import Compiled, StepsLogged
    from simo2_core.pretrained.adapt import with_pretrained
    from simo2_core.pretrained.place import is_pretrained
    from simo2_core.session import RunSession

    preset = preset_of(config)
    assert preset is not None, "the launcher offers no trial where the shape of the images is not known"
    never = dict.fromkeys(("eval_every", "plot_every", "checkpoint_every"), "never")
    begun = with_pretrained(config) if is_pretrained(config.tune.init or "") else config
    endless = begun.replace(
        {"init": None, "steps": 10**6, "minutes": 0.0, "max_passes": 0, "patience": 0, "grow_from": 0, **never}
    )
    rates: list[float] = []
    compiling, end = 0.0, float("inf")
    with (
        tempfile.TemporaryDirectory(prefix="simo2-trial-") as folder,
        RunSession.create(
            endless, Path(folder), "trial", dataset=synthetic_dataset(preset, endless), pictures=False
        ) as session,
    ):
        for event in session.events():
            if isinstance(event, Compiled):
                compiling, end = event.seconds, time.monotonic() + seconds
            elif isinstance(event, StepsLogged):
                rates.append(event.steps_per_second)
            if time.monotonic() > end and len(rates) > CALLS_BEFORE:
                break
    kind = jax.devices()[0].platform
    return Pace("a trial just now", config, kind, 1 / median(rates[CALLS_BEFORE:]), 0.0, compiling)


if __name__ == "__main__":
    found = take_steps(Config.from_json(json.loads(sys.argv[1])))
    facts = {item.name: getattr(found, item.name) for item in dataclasses.fields(found) if item.name != "config"}
    print(json.dumps(facts))
