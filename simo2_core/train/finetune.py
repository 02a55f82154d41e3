"""Training that begins with the weights of another run, or of a file.

All of it is settings of an ordinary run, so events, checkpoints, resuming and the console are those of every run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import evaluated, load
from simo2_core.errors import CheckpointError
from simo2_core.evaluation.restore import locate
from simo2_core.events import WeightsLoaded
from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import PREFIX
from simo2_core.pretrained.place import is_pretrained
from simo2_core.pretrained.recognise import read_encoder, recognise, require_known
from simo2_core.train.step import TrainState

_ENCODER, _HEAD = "encoder/", "head/kernel"


def load_weights(state: TrainState, checkpoint: str, run_dir: Path) -> tuple[TrainState, WeightsLoaded]:
    """The state with the encoder and its statistics as a checkpoint has them; the objective's own arrays stay fresh.

    Args:
        checkpoint: a run (path, name or `latest`), a checkpoint in one, pretrained weights of another library, or an
            encoder that simo2 exported.
        run_dir: where a run is looked for by its name.

    Raises:
        RunError: there is none, or it is damaged.
        CheckpointError: an array of the encoder is missing there or has another shape; the message says which.
    """
    if is_pretrained(checkpoint):
        return _load_pretrained(state, checkpoint)
    path = locate(checkpoint, run_dir)
    arrays = evaluated(load(path)[0])
    ours = {f"params/{name}": value for name, value in state.params.items() if not name.startswith(PREFIX)}
    ours |= {f"stats/{name}": value for name, value in state.stats.items()}
    for name, value in ours.items():
        if name not in arrays:
            raise CheckpointError(
                f"{path} has no {name}, which this network needs. Use the --encoder that it was trained with."
            )
        if arrays[name].shape != value.shape:
            raise CheckpointError(
                f"{name} is {arrays[name].shape} in {path} and {value.shape} here. Use the --widths, --stem-width and "
                "--embedding-size that it was trained with."
            )
    params = {name: _like(arrays.get(f"params/{name}"), value, name) for name, value in state.params.items()}
    stats = {name: jnp.asarray(arrays[f"stats/{name}"]) for name in state.stats}
    theirs = {name for name in arrays if name.startswith(("params/", "stats/"))}
    told = WeightsLoaded(
        path=str(path),
        loaded=tuple(sorted(name.partition("/")[2] for name in ours)),
        fresh=tuple(sorted(name for name in state.params if name.startswith(PREFIX))),
        unused=tuple(sorted(name.partition("/")[2] for name in theirs - set(ours))),
    )
    return _beginning(state, params, stats), told


def _load_pretrained(state: TrainState, text: str) -> tuple[TrainState, WeightsLoaded]:
    """The encoder from the file of another library, or from one that simo2 exported.

    The projection head is fresh, unless simo2 exported one of the same shape. A fresh one that has as many dimensions
    as the representation begins as the identity: the embedding is the representation, of unit length, until it is
    trained.
    """
    found = recognise(text)
    named = {
        name.removeprefix(_ENCODER): value
        for name, value in (*state.params.items(), *state.stats.items())
        if name.startswith(_ENCODER)
    }
    require_known(found, named.keys())
    read = read_encoder(found, {name: tuple(value.shape) for name, value in named.items()})
    arrays = {_ENCODER + name: jnp.asarray(value) for name, value in read.items()}
    theirs = {entry.ours: entry for entry in found.head}
    fitting = [
        name for name in theirs.keys() & state.params.keys() if found.fits(theirs[name], state.params[name].shape)
    ]
    arrays |= {name: jnp.asarray(found.file.read(theirs[name], state.params[name].shape)) for name in fitting}
    head = state.params.get(_HEAD)
    if head is not None and _HEAD not in arrays and head.shape[0] == head.shape[1]:
        arrays[_HEAD] = jnp.eye(head.shape[0], dtype=head.dtype)
    told = WeightsLoaded(
        path=str(found.file.path),
        loaded=tuple(sorted([*(_ENCODER + name for name in named), *fitting])),
        fresh=tuple(sorted(name for name in state.params if not name.startswith(_ENCODER) and name not in fitting)),
        unused=tuple(sorted(set(found.head_entries()) - {theirs[name].theirs[0] for name in fitting})),
    )
    params = {name: arrays.get(name, value) for name, value in state.params.items()}
    stats = {name: arrays.get(name, value) for name, value in state.stats.items()}
    return _beginning(state, params, stats), told


def _beginning(state: TrainState, params: Arrays, stats: Arrays) -> TrainState:
    """The state with those weights; an average of them begins as they are, in arrays of its own: a step takes both."""
    average = jax.tree.map(jnp.copy, {"params": params, "stats": stats}) if state.average else {}
    return state._replace(params=params, stats=stats, average=average)


def _like(found: NDArray[Any] | None, ours: Array, name: str) -> Array:
    return ours if found is None or name.startswith(PREFIX) else jnp.asarray(found, ours.dtype)
