"""What an encoder is to the rest: settings that build a network, and what it says about itself."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from simo2_core.parts import Part

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike


class Encoder(Part):
    """The base of all encoders."""

    first_layer: ClassVar[str] = "First layer"
    """What the kernel of the stem is of, for the picture of its filters."""

    @property
    def first_shrink(self) -> int:
        """How many pixels of a side make one of the first map."""
        return 1

    @property
    def features(self) -> int:
        """F, the size of the representation."""
        raise NotImplementedError

    @property
    def stages(self) -> tuple[int, ...]:
        """Channels of each stage, where the map is halved between two of them; the last is F."""
        return (self.features,)

    @property
    def smallest_side(self) -> int:
        """Pixels that images need in height and width, so that every stage still has a map to work on.

        Where images differ in size and none is asked for, none smaller is chosen. One that cuts images into patches,
        say, is to give the side of a patch.
        """
        return int(self.first_shrink * 2 ** (len(self.stages) - 1))

    @property
    def multiple_of(self) -> int:
        """What height and width of images have to be a multiple of, in pixels: the side of a patch, say."""
        return 1

    def weights(self, channels: int) -> int:
        """How many weights it has, or somewhat fewer, for images of so many channels: 0 where it does not say.

        One that says so has a map of each of its `stages`. A run whose needs exceed the memory is refused before
        anything is allocated.
        """
        return 0

    @property
    def needs_whole_batch(self) -> str:
        """Why a batch can be neither cut into chunks nor filled up: empty where it can."""
        return ""

    @property
    def fits_on(self) -> int:
        """How many training images the network is fitted on before its first step, or fewer where there are fewer.

        Where this is not 0, the network that `build` makes has a method `fit(images)`. It is given so many, each class
        with its share, (n, h, w, channels) float32 as numpy has them, normalised, and sets its variables of the kind
        `simo2_core.model.fitted.Fitted`, which are not trained. Nothing else decides them, so that every process of a
        run finds the same.
        """
        return 0

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        """The network: `module(images, dropout_keys=None)` gives the representation (n, F), float32.

        Args:
            channels: of the images, (n, h, w, channels) float32, normalised.
            dtype: what it should multiply in.
            rngs: whose stream `params` draws the weights.

        With `dropout_keys`, (n,) typed keys, it is a training pass: what is dropped of an image is decided by its own
        key alone, so that it does not matter which others it is embedded with.
        """
        raise NotImplementedError

    @classmethod
    def adapt(cls, found: Any, name: str) -> type[Part] | None:
        """An encoder made of an NNX module: see `encoder_of`."""
        if not inspect.isclass(found):
            return None
        from flax import nnx

        return encoder_of(found, name) if issubclass(found, nnx.Module) else None


def encoder_of(module: Any, name: str) -> type[Encoder]:
    """The encoder that is an NNX module as it stands.

    Args:
        module: made by `module(channels, rngs=rngs)`; called with (n, h, w, channels) float32 images, and with
            `dropout_keys` where its signature has them, it returns (n, F) float32; its attribute `features`, of the
            class or of an instance, is F. One that is fitted on training images has the number of them as `fits_on`,
            of the class, and a method `fit(images)`: see `Encoder.fits_on`.
        name: what it is called.

    Modules with statistics of the batch (nnx.BatchStat) are trained on whole batches.
    """
    takes_keys = "dropout_keys" in inspect.signature(module.__call__).parameters

    def build(self: Encoder, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        made: nnx.Module = module(channels, rngs=rngs)
        if takes_keys:
            return made
        from simo2_core.model.build import WithoutKeys

        return WithoutKeys(made)

    def features(self: Encoder) -> int:
        if isinstance(getattr(module, "features", None), int):
            return int(module.features)
        from flax import nnx

        made = nnx.eval_shape(lambda: module(3, rngs=nnx.Rngs(0)))
        return int(made.features)

    fits_on = property(lambda self: int(getattr(module, "fits_on", 0)))
    about = {"name": name, "fits_on": fits_on, "__doc__": module.__doc__, "__module__": module.__module__}
    made = type(module.__name__, (Encoder,), {"build": build, "features": property(features), **about})
    return dataclass(frozen=True, kw_only=True)(made)
