"""Training and measuring from a program of one's own.

    import simo2_core as simo2

    run = simo2.fit(images, labels, steps=400, objective=my_loss, encoder=MyNet)
    for event in run:
        print(event.step)
    encoder = simo2.load_encoder(run.path)

`fit` makes an ordinary run: the command line and the console can watch, resume, measure and export it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simo2_core import parts
from simo2_core.config import Config
from simo2_core.data.sources.given import give, shape_given
from simo2_core.encoders.encoder import Encoder, encoder_of
from simo2_core.errors import ConfigError
from simo2_core.events import Evaluated, Event
from simo2_core.first_settings import first_settings
from simo2_core.objectives.objective import Objective, objective_of
from simo2_core.parts import Part
from simo2_core.presets import config_for
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.session import RunSession

if TYPE_CHECKING:
    from flax import nnx

    from simo2_core.analysis.embed import TrainedEncoder

Loss = Callable[[Any], Any]
"""From (C, k, D) unit embeddings, k samples of each of C classes, to a float32 scalar that jax can differentiate."""


def fit(
    images: ArrayLike | Callable[[int], ArrayLike] | None = None,
    labels: ArrayLike | None = None,
    *,
    test: tuple[ArrayLike | Callable[[int], ArrayLike], ArrayLike] | None = None,
    config: Config | str | None = None,
    objective: str | Objective | type[Objective] | Loss | None = None,
    encoder: str | Encoder | type[Encoder] | type[nnx.Module] | None = None,
    run_dir: str | Path = "runs",
    name: str | None = None,
    pictures: bool = False,
    **settings: Any,
) -> Fit:
    """A run that trains as it is iterated over.

    Args:
        images: (N, H, W) or (N, H, W, ch) uint8; or a function that gives each image by its number; None to train on
            the data set of `config`.
        labels: (N,) whole numbers, or names of classes.
        test: images and labels that are read once, at the end; by default a fifth of the others is held out.
        config: settings to begin with. A preset's name means what `simo2 train --preset NAME` trains, its recipe among
            it, unless something is given that the recipe decides; `recipe="none"` means those of the original. Or a
            `Config`, as it is. By default those of the original, and without images those of `dataset`.
        objective: what is minimised: a name, an objective, or a function of the embedding alone.
        encoder: what is trained: a name, an encoder, or an NNX module made by `module(channels, rngs=rngs)` that turns
            (n, h, w, channels) float32 images into (n, features) float32 and says its `features`.
        run_dir: the folder that gets the run's own.
        name: of that folder; by default preset and time.
        pictures: whether plots are drawn while training.
        settings: any of `simo2 train`, by name: `steps=400`, `learning_rate=1e-3`.

    Raises:
        ConfigError: a setting that cannot work.
        DataError: images or labels that do not fit.
        RunError: the name is taken, or the disk refuses.
    """
    given = dict(settings)
    if objective is not None:
        given["objective"] = _objective(objective)
    if encoder is not None:
        given["encoder"] = _encoder(encoder)
    if images is None:
        chosen, why = _chosen(config, given)
        return Fit(chosen, Path(run_dir), name, pictures=pictures, why=why)
    if labels is None:
        raise ConfigError("images are given without labels; give one for each image.")
    own: dict[str, Any] = {"dataset": give(name or "arrays", images, cast(Any, labels), test)}
    own |= {"image_size": 0, "channels": 0, "preset": ""}
    if config is None:
        _, side, channels = shape_given(own["dataset"])
        config = config_for("arrays").replace(_fitting(side, colour=channels == 3))
    chosen, why = _chosen(config, given)
    own = {setting: value for setting, value in own.items() if setting not in given}
    return Fit(chosen.replace(own), Path(run_dir), name, pictures=pictures, why=why)


class Fit:
    """A run that trains while it is iterated over; not iterating is pausing."""

    def __init__(self, config: Config, run_dir: Path, name: str | None, *, pictures: bool, why: str = "") -> None:
        self.config = config
        self.why = why
        """Why a recipe is used that nobody named, or one that suits is not, as the command line says it; or empty."""
        self._session = RunSession.create(config, run_dir, name, pictures=pictures)
        self.test: Evaluated | None = None
        """What the test part gave, once the run has completed."""

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._session.run.path

    @property
    def control(self) -> Control:
        """Where to ask for a checkpoint, an evaluation or a stop, from any thread."""
        return self._session.control

    def __iter__(self) -> Iterator[Event]:
        """Trains, and says what happens.

        Raises:
            DivergedError: a loss was not finite; the state before that step is saved.
            Simo2Error: what else keeps it from going on.
        """
        with self._session as session:
            for event in session.events():
                if isinstance(event, Evaluated) and event.split == "test":
                    self.test = event
                yield event

    def run(self) -> Fit:
        """Trains to the end, and returns this."""
        for _ in self:
            pass
        return self


def resume(path: str | Path, *, pictures: bool = False, **settings: Any) -> Fit:
    """A run that goes on from its newest checkpoint as it is iterated over.

    Args:
        path: of the run. Arrays that it was trained on must be given again before, with `give` and the same name.
        settings: that replace the run's own from now on.

    Raises:
        RunError: there is no such run, or it cannot be read.
        ConfigError: a setting that cannot work, or a part of it that this program does not know: see `register`.
    """
    run = RunDirectory.open(Path(path))
    made = object.__new__(Fit)
    made.config, made.test, made.why = run.config.given(settings), None, ""
    made._session = RunSession(made.config, run, pictures=pictures)
    return made


def evaluate(
    encoder: TrainedEncoder,
    train: tuple[ArrayLike, ArrayLike],
    test: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike] | None = None,
) -> Mapping[str, float]:
    """What the representation of an encoder is worth on arrays, by every number of `simo2 eval`.

    Args:
        encoder: of `load_encoder`.
        train: (N, H, W, ch) uint8 images and (N,) labels that everything is fitted on.
        test: images and labels that are measured.
        validation: images and labels by which the linear probe is chosen; by default a tenth of `train`.

    Returns: by name, such as `knn_20` or `linear_probe`; shares are in [0, 1].
    """
    from simo2_core.evaluation.measures import measure

    names = np.unique(np.asarray(train[1]))
    parts_of: dict[str, tuple[NDArray[Any], NDArray[np.int32]]] = {
        part: (np.asarray(images), np.searchsorted(names, np.asarray(labels)).astype(np.int32))
        for part, (images, labels) in {"train": train, "test": test, "validation": validation or train}.items()
    }
    if validation is None:
        held = np.arange(len(parts_of["train"][1])) % 10 == 0
        parts_of = {
            **parts_of,
            "train": (parts_of["train"][0][~held], parts_of["train"][1][~held]),
            "validation": (parts_of["train"][0][held], parts_of["train"][1][held]),
        }
    features = {part: encoder.represent(images) for part, (images, _) in parts_of.items()}
    labels = {part: each for part, (_, each) in parts_of.items()}
    found = measure(features, labels, classes=len(names), say=lambda _: None)
    return {key: score.mean for key, score in found.scores.items()}


def _chosen(config: Config | str | None, given: Mapping[str, Any]) -> tuple[Config, str]:
    """The settings with those `given`, as the command line has them, and what it says of a recipe that nobody named."""
    if isinstance(config, Config):
        return config.given(given), ""
    first = first_settings(config, given)
    return first.config, first.why


def _fitting(side: int, *, colour: bool) -> dict[str, Any]:
    """Settings that suit images of a size where no preset says: no more halvings than the side has."""
    halvings = max(1, min(5, side.bit_length() - 2))
    return {"widths": (32, 64, 128, 256, 512)[:halvings], "saturation": 0.2 if colour else 0.0, "flip": False}


def _objective(given: str | Objective | type[Objective] | Loss) -> Any:
    if isinstance(given, (str, Objective)):
        return _known("objective", given)
    if isinstance(given, type):
        return parts.register("objective", given)()
    name = f"{given.__module__}:{given.__qualname__}"
    return parts.register("objective", objective_of(given, name))()


def _encoder(given: str | Encoder | type[Encoder] | type[nnx.Module]) -> Any:
    if isinstance(given, (str, Encoder)):
        return _known("encoder", given)
    made = given if issubclass(given, Encoder) else encoder_of(given, f"{given.__module__}:{given.__qualname__}")
    return parts.register("encoder", cast(type[Part], made))()


def _known(kind: str, given: str | Part) -> str | Part:
    if isinstance(given, Part):
        parts.register(kind, type(given))
    return given
