"""What makes a run ready, the same for whoever trains it: the first process of a run, the others, bench and trial.

    settings -> data set -> labels that may be seen -> pre-flight -> what batches are drawn from -> step, state, feed

What two processes of a run must agree on is decided here once, by the first of them, and checked by the others.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.compiling import require_device
from simo2_core.config import PROPORTIONAL, Config
from simo2_core.data.cache import cache_root
from simo2_core.data.dataset import Dataset
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.labels import with_labels
from simo2_core.data.load import load_dataset
from simo2_core.data.placement import Placement, choose_placement, look_at_machine
from simo2_core.data.statistics import normalised
from simo2_core.data.upkeep import room
from simo2_core.errors import ConfigError, DataError
from simo2_core.findings import Finding
from simo2_core.memory_needs import Needs, needs_of
from simo2_core.preflight import preflight
from simo2_core.train.budget import FIRST_STEPS
from simo2_core.train.environment import keep_compiled_programs
from simo2_core.train.feed import Feed, drawn_from
from simo2_core.train.precision import decide
from simo2_core.train.processes import share_bytes
from simo2_core.train.step import Step, TrainState, make_training

NEARLY_OVER = 0.9
"""Share of the minutes after which a run that has taken its steps is complete: the last plan leaves some seconds."""


@dataclass(frozen=True)
class Preparation:
    """A run that is ready: what it trains on, and the step and the state that it begins with."""

    config: Config
    data: Dataset
    """With those training images alone whose labels may be seen."""
    drawn: Dataset
    """`data` as batches are drawn from it: without labels, every image is a class of its own."""
    placement: Placement
    """Where the images live while training."""
    findings: tuple[Finding, ...]
    """Of pre-flight, no error among them."""
    precision: str | None = None
    """For people: what was decided of the precision that the settings left open, and why; None where nothing was."""

    @property
    def groups(self) -> int:
        """Classes of `drawn`."""
        return len(self.drawn.train.counts)

    @property
    def batch_size(self) -> int:
        """Images of a batch: of all classes, that may be fewer than the settings ask for."""
        return self.config.classes_per_batch(self.groups) * self.config.samples_per_class

    @property
    def most_steps(self) -> int | None:
        """Steps that a run for a time may take, however fast the machine is; None for any number."""
        passes = self.config.max_passes if self.config.minutes else 0
        one_by_one = self.config.data.labels != "none" or self.config.sampling == PROPORTIONAL
        views = 1 if one_by_one else self.config.samples_per_class  # of one image, in a batch
        return math.ceil(passes * len(self.drawn.train) * views / self.batch_size) if passes else None

    @property
    def needs(self) -> Needs:
        """What it needs of memory at the least."""
        return needs_of(self.config, DatasetFacts.of(self.data))

    def with_room(self, taken: int, spent: float, before: float | None = None) -> Preparation:
        """With steps that stand for any number where a run trains for a time, and nobody has planned them yet.

        Args:
            taken: steps taken so far. A run that has taken all it planned goes on where it is given more minutes.
            spent: seconds of its time that are gone.
            before: the minutes that it had so far; None where they are not known.
        """
        if self.most_steps is not None and taken >= self.most_steps:
            return self
        config = self.config
        over = spent > (1 if before is not None and before < config.minutes else NEARLY_OVER) * 60 * config.minutes
        planned = taken < config.steps and before in (None, config.minutes)  # for this time, on whatever machine
        if not config.minutes or (taken and (planned or over)):
            return self
        room = max(config.steps, 2 * taken, FIRST_STEPS)
        if taken and spent:  # at the speed so far: its schedule and its images are not those of the first steps again
            room = min(room, max(config.steps, taken + 1, round(taken * 60 * config.minutes / spent)))
        return replace(self, config=config.replace({"steps": min(room, self.most_steps or room)}))

    def begin(self, config: Config, *, fit: bool = True) -> tuple[Step, TrainState]:
        """The step of `config`, which is `self.config` but for the learning rate, and the state before the first one.

        Args:
            fit: whether to fit an encoder on training images where it wants that: a checkpoint has it done.

        Raises:
            ConfigError: the encoder needs a whole batch at once, and the settings or the devices divide it.
        """
        wanted = config.model.encoder.fits_on if fit else 0
        return make_training(config, self.groups, self.data.image_shape, self._some(wanted) if wanted else None)

    def _some(self, images: int) -> NDArray[np.float32]:
        """(n, H, W, ch) about so many training images, each class with its share, normalised."""
        mean, std = (statistic[None, None, None, :] for statistic in (self.data.mean, self.data.std))
        return np.asarray((self.data.train.thin(images).gather() / np.float32(255) - mean) / std, np.float32)

    def feed(self, state: TrainState) -> Feed:
        """Where the calls that go on from `state` get their images."""
        return Feed(self.drawn, self.config, state, self.placement.where)

    def tell(self) -> None:
        """Tells the other processes of the run what was decided here; `prepare_with_leader` hears it."""
        terms = {"config": self.config.to_json(), "where": self.placement.where, "drawn": self._fingerprint}
        share_bytes(json.dumps(terms).encode())

    @property
    def _fingerprint(self) -> str:
        rows = hashlib.sha256(self.data.fingerprint.encode())
        for array in (self.drawn.train.offsets, self.drawn.train.counts):
            rows.update(array.astype("<i8").tobytes())
        return rows.hexdigest()


def prepare(config: Config, dataset: Dataset | None = None, *, new: bool = False) -> Preparation:
    """Makes a run ready.

    Args:
        dataset: what to train on, where it is loaded already; by default what `config.data` names.
        new: whether it begins: what the settings leave open is then decided, see `simo2_core.train.precision`.

    Raises:
        ConfigError: a setting that cannot work with these data, or jax has no device of the kind that it shall use.
        DataError: the data set is missing, unreadable or unfit.
    """
    ready = _prepare(config, dataset, None)
    if not new:
        return ready
    decided, why = decide(config, ready.data.image_shape, ready.batch_size)
    return replace(ready, config=decided, precision=why)


def prepare_with_leader() -> Preparation:
    """Makes a process ready that takes part in the run of the first one, by the settings of that.

    Raises:
        DataError: this process finds other images than the first.
    """
    terms: dict[str, Any] = json.loads(share_bytes(b""))
    ready = _prepare(Config.from_json(terms["config"]), None, Placement(terms["where"], "as in the first process"))
    if ready._fingerprint != terms["drawn"]:
        raise DataError(
            f"{ready.data.name} holds other images here than in the first process. Give every process the same files."
        )
    return ready


def _prepare(config: Config, dataset: Dataset | None, placement: Placement | None) -> Preparation:
    require_device()
    keep_compiled_programs()
    whole = load_dataset(config.images) if dataset is None else normalised(dataset, config.data)
    data = with_labels(whole, config.tune, config.seed)
    facts, machine = DatasetFacts.of(data), replace(look_at_machine(cache_root()), disk_free=room())
    findings = preflight(config, facts, machine)
    for finding in findings:
        if finding.severity == "error":
            raise ConfigError(f"{finding.message} {finding.cure}")
    where = placement or choose_placement(facts.size, facts.to_write, machine)
    return Preparation(config, data, drawn_from(data, config), where, tuple(findings))
