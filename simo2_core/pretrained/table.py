"""How the arrays of an encoder are called and laid out in the files of another library: a table that is read both ways.

PyTorch keeps a convolution as (out, in, rows, columns) and a linear layer as (out, in); Flax as (rows, columns, in,
out) and (in, out). `kernel` and `weight` are the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Read = Callable[[Sequence[Array]], Array]
Write = Callable[[Array], Sequence[Array | None]]


@dataclass(frozen=True)
class WeightForm:
    """How arrays of theirs become one of ours, and back."""

    read: Read
    write: Write
    """None for one of theirs that another entry writes."""


SAME = WeightForm(lambda theirs: theirs[0], lambda ours: [ours])
CONV = WeightForm(lambda theirs: theirs[0].transpose(2, 3, 1, 0), lambda ours: [ours.transpose(3, 2, 0, 1)])
LINEAR = WeightForm(lambda theirs: theirs[0].T, lambda ours: [ours.T])
DEPTHWISE = WeightForm(
    lambda theirs: theirs[0][:, 0].transpose(1, 2, 0), lambda ours: [ours.transpose(2, 0, 1)[:, None]]
)
OF_CHANNELS = WeightForm(lambda theirs: theirs[0][:, 0, 0], lambda ours: [ours[:, None, None]])
"""(c, 1, 1), as torchvision keeps LayerScale."""
TOKENS = WeightForm(lambda theirs: theirs[0][0], lambda ours: [ours[None]])
"""(1, tokens, c)."""
GRID = WeightForm(
    lambda theirs: theirs[0][0].reshape(*_square(theirs[0].shape[1]), -1),
    lambda ours: [ours.reshape(1, -1, ours.shape[-1])],
)
"""Learned positions, (1, patches, c)."""
GRID_AFTER_CLASS = WeightForm(
    lambda theirs: theirs[0][0, 1:].reshape(*_square(theirs[0].shape[1] - 1), -1),
    lambda ours: [np.concatenate([np.zeros_like(ours[:1, 0]), ours.reshape(-1, ours.shape[-1])])[None]],
)
"""Learned positions, the first of them the class token's: (1, 1 + patches, c)."""
TOKEN_AND_POSITION = WeightForm(
    lambda theirs: theirs[0][0] + theirs[1][0, :1],
    lambda ours: [ours[None], None],
)
"""A class token and its learned position, which only ever meet as a sum."""
THREE_LINEAR = WeightForm(
    lambda theirs: np.concatenate([each.T for each in theirs], axis=1),
    lambda ours: [each.T for each in np.split(ours, 3, axis=1)],
)
"""Query, key and value by themselves."""
FIRST_AND_THIRD = WeightForm(
    lambda theirs: np.concatenate([theirs[0], np.zeros_like(theirs[0]), theirs[1]]),
    lambda ours: np.split(ours, 3)[::2],
)
"""Biases of query and value; keys have none."""
THREE = WeightForm(lambda theirs: np.concatenate(theirs), lambda ours: np.split(ours, 3))


def _square(count: int) -> tuple[int, int]:
    side = round(count**0.5)
    return side, side


@dataclass(frozen=True)
class WeightEntry:
    """One line of a table."""

    ours: str
    """Its path in the encoder, such as `block0/conv1/kernel`."""
    theirs: tuple[str, ...]
    form: WeightForm = SAME
    absent: float | None = None
    """What every number of it is where a file leaves it out; None where it must be there."""

    def shapes(self, ours: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """What shape each of theirs must have, for ours of that shape; nothing is allocated."""
        dummy = np.broadcast_to(np.float32(0), tuple(ours))
        pairs = zip(self.theirs, self.form.write(dummy), strict=True)
        return {name: value.shape for name, value in pairs if value is not None}


@dataclass(frozen=True)
class WeightLayout:
    """A table, whole: every array of the encoder is in it once."""

    library: str
    """Whose it is."""
    entries: tuple[WeightEntry, ...]
    beside: str = r"(.*\.)?num_batches_tracked"
    """A regular expression of the names that such files may have beside: heads, counters."""

    def strange(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that no encoder of this table has: the file holds another network."""
        known = {name for entry in self.entries for name in entry.theirs}
        return [name for name in names if name not in known and not re.fullmatch(self.beside, name)]

    def written(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays of the encoder, by our paths, as a file of the library has them."""
        made: dict[str, Array] = {}
        for entry in self.entries:
            for name, value in zip(entry.theirs, entry.form.write(arrays[entry.ours]), strict=True):
                if value is not None:
                    made[name] = np.asarray(value, order="C")
        return made


def affine(ours: str, theirs: str) -> Iterator[WeightEntry]:
    """A layer norm."""
    yield WeightEntry(f"{ours}/norm/scale", (f"{theirs}.weight",))
    yield WeightEntry(f"{ours}/norm/bias", (f"{theirs}.bias",))


def batch_norm(ours: str, theirs: str) -> Iterator[WeightEntry]:
    """A batch norm, with its running statistics."""
    yield from affine(ours, theirs)
    yield WeightEntry(f"{ours}/norm/mean", (f"{theirs}.running_mean",))
    yield WeightEntry(f"{ours}/norm/var", (f"{theirs}.running_var",))


def with_bias(ours: str, theirs: str, form: WeightForm) -> Iterator[WeightEntry]:
    """A convolution or linear layer with its bias."""
    yield WeightEntry(f"{ours}/kernel", (f"{theirs}.weight",), form)
    yield WeightEntry(f"{ours}/bias", (f"{theirs}.bias",))
