"""The training call: many optimiser steps in one dispatch, a pure function of state and data.

    state, data, course, n  ->  state after n steps, what each of them measured

Batch, augmentation, dropout and learning rate of step i depend on (key, i) alone, so it does not matter how steps are
cut into calls, or where a run was interrupted. The course of the run (its learning rates, its length) is an argument,
not a constant: runs that differ in length, schedule or peak share a compiled program.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.sharding import Mesh
from numpy.typing import NDArray

from simo2_core.augmentations.augmentation import Drawn
from simo2_core.compiling import exact_products, jit
from simo2_core.config import Config, task_of
from simo2_core.data.augment import augment
from simo2_core.data.sampler import Draw, draw_batch
from simo2_core.errors import ConfigError
from simo2_core.model.network import Arrays, Network, first_weights
from simo2_core.objectives.objective import PREFIX, Loss, Objective, Seen, Task, require_loss
from simo2_core.recipes import beside
from simo2_core.settings import require
from simo2_core.train.budget import FIRST_STEPS
from simo2_core.train.devices import all_devices, embed_in_chunks, put_whole, share_out, whole
from simo2_core.train.finetune_optimizer import limit_updates
from simo2_core.train.optimizer import averaged, learning_rates, make_optimizer

MAX_STEPS = 512
"""Most steps of one call: the room for what they measured. At 0.25 s a call that is 2,048 steps a second."""


_LEAST_RATES = 1024
"""Learning rates that a program has room for, or twice or four times as many …: so few programs serve all lengths."""

_VIEW = 2**31 - 1
"""What an objective's own draws are folded with: no image of a batch has this number."""


class TrainState(NamedTuple):
    """Everything that the next step depends on, and all that a checkpoint holds."""

    params: Arrays
    stats: Arrays
    opt_state: Any
    key: Array
    """(2,) uint32 key data: typed keys do not survive a checkpoint."""
    step: Array
    """() int32 steps taken."""
    average: dict[str, Arrays]
    """Averages of `params` and of `stats` over the steps, by these names; empty where none is kept."""

    @property
    def evaluated(self) -> tuple[Arrays, Arrays]:
        """The params and stats that are evaluated: their averages where there are some."""
        return (self.average["params"], self.average["stats"]) if self.average else (self.params, self.stats)


class Data(NamedTuple):
    """The training part on the device: `Part` of `simo2_core.data.dataset`, and its statistics."""

    images: Array
    """(N, H, W, ch) uint8, sorted by class; or (S, C*k, H, W, ch), the batches of a chunk of S steps."""
    offsets: Array
    """(C,) int32."""
    counts: Array
    """(C,) int32."""
    mean: Array
    """(ch,) float32."""
    std: Array
    """(ch,) float32."""


class Horizon(NamedTuple):
    """What a step is given of the run as a whole."""

    rates: Array | NDArray[np.float32]
    """(R,) float32: `Step.rates`."""
    steps: Array | np.int32
    """() int32, of the whole run."""

    def progress(self, step: Array) -> Array:
        """() float32, how far the run is with the step after `step` steps taken: 0 at the first, 1 at the last."""
        last = jnp.maximum(jnp.asarray(self.steps) - 1, 1)
        return jnp.minimum(step / last, 1).astype(jnp.float32)


class Measured(NamedTuple):
    """One number a step, (MAX_STEPS,) float32 each; rows of steps not taken are NaN."""

    total: Array
    terms: dict[str, Array]
    """What else the objective reports, by name."""
    grad_norm: Array


@dataclass(frozen=True)
class Step:
    """One step as pure functions, in the order in which it calls them."""

    config: Config
    network: Network
    task: Task
    """What the objective is trained on."""
    classes: int
    """C, of the data set."""
    mesh: Mesh
    """The devices that share every batch."""
    rates: NDArray[np.float32] = field(compare=False)
    """(R,) learning rates of the steps of the run, and more to fill up R."""
    chunk: int | None = None
    """None when `data.images` is the training part; else S: they are the batches of S steps, drawn on the host, that
    of step i at i modulo S."""

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return self.config.objective

    @property
    def course(self) -> Horizon:
        """What `__call__` is given of the run as a whole, on the host."""
        return Horizon(self.rates, np.int32(self.config.steps))

    def with_steps(self, steps: int) -> Step:
        """The step of the same run with another number of steps in all."""
        config = self.config.replace({"steps": steps})
        return replace(self, config=config, rates=_rates(config))

    @property
    def batch_shape(self) -> tuple[int, int]:
        """Groups of a batch, images of each: classes and their samples, or single images."""
        return self.config.batch_shape(self.classes)

    def draw(self, state: TrainState, data: Data) -> Draw:
        """The classes of the batch and the rows of the training part that make it."""
        return draw_batch(
            jax.random.wrap_key_data(state.key),
            state.step,
            data.offsets,
            data.counts,
            classes_per_batch=self.config.classes_per_batch(self.classes),
            samples_per_class=self.config.samples_per_class,
            sampling=self.config.sampling,
        )

    def prepare(self, state: TrainState, data: Data, drawn: Draw) -> Array:
        """(classes * k, H, W, ch) float32 images of a draw, augmented and normalised, shared out among the devices."""
        augment_key, _ = _keys(state)
        where = share_out(drawn.rows, self.mesh) if self.chunk is None else state.step % self.chunk
        images = share_out(data.images[where], self.mesh)
        which = Drawn(drawn.rows, drawn.passes)
        return augment(augment_key, images, self.config.augment, data.mean, data.std, which)

    def see(
        self,
        params: Arrays,
        state: TrainState,
        images: Array,
        classes: Array,
        progress: Array | float,
        side: int | None = None,
    ) -> tuple[Seen, Arrays]:
        """What a training pass over the images of `classes` saw, and the new `stats`; `progress` as in `Seen`.

        With a `side`, in pixels, the encoder sees images of that size.
        """
        _, dropout_key = _keys(state)
        keys = jax.vmap(partial(jax.random.fold_in, dropout_key))(jnp.arange(images.shape[0]))
        view_key = jax.random.fold_in(dropout_key, _VIEW)
        shown = self.objective.view(view_key, images)
        shown = shown if side is None else smaller(shown, side)
        if self.config.tune.freeze:  # as in inference: nothing dropped, no statistics of the batch, no gradient
            h_nf, z_nd = jax.lax.stop_gradient(self.network.infer(params, state.stats, shown))
            return Seen(z_nd.reshape(*self.batch_shape, -1), h_nf, classes, images, progress, view_key), state.stats
        one = partial(self.network.train, params, state.stats)
        h_nf, z_nd, stats = embed_in_chunks(one, shown, keys, self.config.chunk_size, self.mesh)
        return Seen(z_nd.reshape(*self.batch_shape, -1), h_nf, classes, images, progress, view_key), stats

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        """The loss of the batch."""
        with exact_products():
            return require_loss(self.objective, self.objective.loss(self.own(params), seen, self.task))

    def own(self, params: Arrays) -> Arrays:
        """The objective's own parameters, by the names that it knows them by."""
        return {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}

    def gradient(
        self, state: TrainState, images: Array, classes: Array, progress: Array | float
    ) -> tuple[Arrays, Loss, Arrays]:
        """The gradient of the total loss by parameter, the loss, and the new `stats`; `progress` as in `Seen`."""

        def at(side: int | None) -> tuple[Arrays, Loss, Arrays]:
            def loss_of(params: Arrays) -> tuple[Array, tuple[Loss, Arrays]]:
                seen, stats = self.see(params, state, images, classes, progress, side)
                loss = self.loss(params, seen)
                return loss.total, (loss, stats)

            (_, (loss, stats)), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
            return gradient, loss, stats

        sides = self.config.sides(min(images.shape[1:3]))
        if len(sides) == 1:
            return at(None)
        third = jnp.minimum((jnp.asarray(progress) * len(sides)).astype(jnp.int32), len(sides) - 1)
        found: tuple[Arrays, Loss, Arrays] = jax.lax.switch(third, [partial(at, side) for side in sides])
        return found

    def __call__(self, state: TrainState, data: Data, course: Horizon) -> tuple[TrainState, Measured, Array]:
        """The state after the step, its measurements as scalars, and whether they are finite.

        When they are not, the state comes back as it was: the last good one is never overwritten.
        """
        drawn = self.draw(state, data)
        images = self.prepare(state, data, drawn)
        found = self.gradient(state, images, drawn.classes, course.progress(state.step))
        return self.update(state, *found, jnp.asarray(course.rates)[state.step])

    def optimizer(self, rate: Array | float) -> optax.GradientTransformation:
        """The optimiser of a step at the learning rate `rate`."""
        return limit_updates(make_optimizer(self.config.optim, lambda _step: rate), self.config.tune)

    def update(
        self, state: TrainState, gradient: Arrays, loss: Loss, stats: Arrays, rate: Array
    ) -> tuple[TrainState, Measured, Array]:
        """What `__call__` returns, of the gradient by parameter, the loss, the new `stats`, and the learning rate."""
        grad_norm = optax.tree.norm(gradient)
        updates, opt_state = self.optimizer(rate).update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        average = state.average
        if average:
            now = {"params": params, "stats": stats}
            average = averaged(average, now, state.step + 1, self.config.optim.average)
        after = TrainState(params, stats, opt_state, state.key, state.step + 1, average)
        finite = jnp.isfinite(loss.total) & jnp.isfinite(grad_norm)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, state)
        return kept, Measured(loss.total, loss.terms, grad_norm), finite


def make_training(
    config: Config, classes: int, image_shape: tuple[int, int, int], images: NDArray[np.float32] | None = None
) -> tuple[Step, TrainState]:
    """The step of a run, and the state before the first one, which `config.seed` decides.

    Args:
        classes: C, of the data set.
        image_shape: height, width, channels.
        images: (n, H, W, ch) normalised, of the training part, for an encoder that is fitted on some; not needed where
            a checkpoint takes the place of the state.

    Raises:
        ConfigError: the encoder needs a whole batch at once, and the settings or the devices divide it.
    """
    mesh = all_devices()
    _require_side(config, image_shape)
    network, params, stats = first_weights(config.model, config.seed, image_shape[-1], images)
    if network.follows_batches:
        require_whole_batch(config, classes, mesh.size)
    task = task_of(config, classes, image_shape)
    step = Step(config, network, task, classes, mesh, _rates(config))
    weights_key, run_key = jax.random.split(jax.random.key(config.seed))
    own = config.objective.init(jax.random.fold_in(weights_key, _VIEW), task)
    params |= {PREFIX + name: value for name, value in own.items()}
    average = {"params": params, "stats": stats} if config.optim.average else {}
    state = TrainState(
        params, stats, step.optimizer(0.0).init(params), jax.random.key_data(run_key), jnp.int32(0), average
    )
    return step, put_whole(state, mesh)


def smaller(images: Array, side: int) -> Array:
    """(N, H, W, ch) images with the shorter side at `side` pixels, each pixel the mean of what it stands for."""
    count, height, width, channels = images.shape
    scale = side / min(height, width)
    if scale == 1:
        return images
    shape = (count, round(height * scale), round(width * scale), channels)
    resized: Array = jax.image.resize(images, shape, "linear", antialias=True)
    return resized


def _require_side(config: Config, image_shape: tuple[int, int, int]) -> None:
    """Raises ConfigError where a run is to begin with images that are larger than its own, or too small."""
    own, least = min(image_shape[:2]), min(config.model.encoder.smallest_side, min(image_shape[:2]))
    require(
        not config.grow_from or least <= config.grow_from < own,
        "grow_from",
        config.grow_from,
        f"0{f', or from {least} to {own - 1}' if least < own else ''} for {config.model.encoder.name} on images of "
        f"{own} pixels",
    )
    patch = config.model.encoder.multiple_of
    require(
        config.grow_from % patch == 0,
        "grow_from",
        config.grow_from,
        f"a multiple of {patch}, the patches of {config.model.encoder.name}",
    )


def _rates(config: Config) -> NDArray[np.float32]:
    size = FIRST_STEPS if config.minutes else _LEAST_RATES
    while size < config.steps:
        size *= 2
    return np.pad(learning_rates(config.optim, config.steps), (0, size - config.steps), mode="edge")


def require_whole_batch(config: Config, classes: int, devices: int) -> None:
    """Raises ConfigError where a batch would be cut up or filled up, which normalisation over the batch forbids."""
    batch = config.classes_per_batch(classes) * config.samples_per_class
    if config.chunk_size:
        raise ConfigError(f"chunk_size is {config.chunk_size}; it must be 0: {_why_whole(config)}")
    if batch % devices:
        fitting = devices * (config.samples_per_class // devices or 1)
        raise ConfigError(
            f"a batch is {batch} images, which {devices} devices cannot share evenly. Use "
            f"{beside(config.recipe, f'--samples-per-class {fitting}')}, a multiple of {devices}: {_why_whole(config)}"
        )


def _why_whole(config: Config) -> str:
    encoder = config.model.encoder
    return encoder.needs_whole_batch or f"{encoder.name} has statistics of the whole batch."


def _keys(state: TrainState) -> tuple[Array, Array]:
    key = jax.random.fold_in(jax.random.fold_in(jax.random.wrap_key_data(state.key), 1), state.step)
    augment_key, dropout_key = jax.random.split(key)
    return augment_key, dropout_key


@dataclass(frozen=True)
class Call:
    """Up to MAX_STEPS steps as one compiled program."""

    program: Any
    course: Horizon
    """`Step.course`, on every device."""

    def __call__(self, state: TrainState, data: Data, n: int) -> tuple[TrainState, Measured, Array]:
        """The state after `n` steps, rows of what each measured, and the number of steps begun.

        The state given is donated. A step that is not finite is the last one begun, and leaves the state before it.
        """
        after: tuple[TrainState, Measured, Array] = self.program(state, data, self.course, np.int32(n))
        return after


def planned(step: Step, call: Call, state: TrainState, data: Data, chunk: int | None) -> Call:
    """The training call with the course of `step`; it is compiled anew only where its rates need more room."""
    course = put_whole(step.course, step.mesh)
    if course.rates.shape == call.course.rates.shape:
        return replace(call, course=course)
    return compile_call(replace(step, chunk=chunk), state, data)


def compile_call(step: Step, state: TrainState, data: Data) -> Call:
    """The training call, for a state and data like these, which may have been donated since.

    The number of steps is an argument, not a shape, so one compilation serves every n.
    """

    def call(state: TrainState, data: Data, course: Horizon, n: Array) -> tuple[TrainState, Measured, Array]:
        _, one, _ = jax.eval_shape(step, state, data, course)
        empty = jax.tree.map(lambda _: jnp.full((MAX_STEPS,), jnp.nan, jnp.float32), one)

        def more(carry: tuple[TrainState, Measured, Array, Array]) -> Array:
            _, _, i, finite = carry
            return (i < n) & finite

        def body(carry: tuple[TrainState, Measured, Array, Array]) -> tuple[TrainState, Measured, Array, Array]:
            state, rows, i, _ = carry
            state, measured, finite = step(state, data, course)
            rows = jax.tree.map(lambda row, value: row.at[i].set(value.astype(jnp.float32)), rows, measured)
            return state, rows, i + 1, finite

        state, rows, begun, _ = jax.lax.while_loop(more, body, (state, empty, jnp.int32(0), jnp.bool(True)))
        return state, rows, begun

    def shape(array: Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=array.sharding)  # type: ignore[no-untyped-call]

    course = put_whole(step.course, step.mesh)
    compiled = jit(call, donate_argnums=0, out_shardings=whole(step.mesh))
    return Call(compiled.lower(*jax.tree.map(shape, (state, data, course)), np.int32(0)).compile(), course)
