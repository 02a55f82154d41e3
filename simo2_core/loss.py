"""The SIMO2 loss, through Gram matrices: no pair is ever gathered.

For two vectors a and b let r = (a·b)² / (ε + ‖a−b‖²). A pair with target y costs (1 + r)^(1−2y), so

    same = pairs of the k samples of one class, for each class,  y = 1   → 1/(1+r)
    mean = pairs of the C class means (not normalised again),    y = α
    diff = pairs of classes inside one of the k slots,           y = α

summed, not averaged. Source: Bouhsine, El Aaroussi, Faysal, Huaxia, "SimO Loss", arXiv 2410.05233.

More can be chosen than what was published. The line distance, ‖a‖²+‖b‖²−2·abs(a·b), takes the place of ‖a−b‖²
between different classes: there, opposite is then as costly as equal, and only orthogonal is cheap. A bias b makes the
kernel r = (a·b + b)² / (ε + ‖a−b‖²), the author's later form. Pairs of one class can have an ε and a b of their own,
and a weight: total = pull·same + mean + diff. The mean over the pairs takes the place of the sum. All pairs of images
of different classes, k times as many, each weighed 1/k, take the place of those inside a slot: where the images of a
class stand in no order, that is the same on average, and differs less from batch to batch.

Shape letters: C classes, k samples per class, D dimensions; g groups of n points whose pairs are summed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from simo2_core.loss_floor import DISTANCES, NEGATIVES, REDUCTIONS, pair_counts

T = TypeVar("T")

_HIGHEST = jax.lax.Precision.HIGHEST  # a distance is a difference of products: TF32 would lose it

_ELEMENTS_AT_ONCE = 2**20
"""Entries of Gram matrices that are held at once: 4 MB each in float32, so that they stay in a cache."""

_BLOCK = 256
"""Rows of a Gram matrix done at once, from the diagonal on: the matrix is symmetric, so half of it is skipped."""
_MOST_BLOCKS = 16
"""Blocks that a program writes out, each with half of the work skipped; more are done in a loop, with all of it."""


class Kernel(NamedTuple):
    """r of two vectors: (a·b + bias)² / (ε + d), d the squared distance of the two points or of their lines."""

    bias: float
    line: bool


class Simo2Loss(NamedTuple):
    """Scalars of the embeddings' dtype: `total = same + mean + diff`, `same` with its weight."""

    total: Array
    same: Array
    mean: Array
    diff: Array


def simo2_loss(
    embeddings: Array,
    *,
    orth_lean: float = 1 / 137,
    epsilon: float | Array = 1 / 137,
    distance: str = "euclidean",
    bias: float = 0.0,
    reduction: str = "sum",
    same_epsilon: float | Array | None = None,
    same_bias: float | None = None,
    pull: float = 1.0,
    negatives: str = "slots",
) -> Simo2Loss:
    """The SIMO2 loss of a batch.

    Values and first derivatives are finite for every finite input, identical rows and zero rows included. The
    gradient is computed together with the value, as matrix products, so nothing of the size of a Gram matrix is
    kept for the backward pass. Differentiable once.

    Args:
        embeddings: (C, k, D), C ≥ 1 classes of k ≥ 1 samples; unit rows for the loss as published. Less than
            float32 is raised to float32.
        orth_lean: α, the target of different-class pairs.
        epsilon: ε > 0, added to each squared distance; as a scalar array it may change from step to step, and is held
            constant: nothing is differentiated by it.
        distance: between different classes, `euclidean` as published or `line`.
        bias: b, added to each a·b; 0 as published.
        reduction: `sum` as published, or `mean`: each component is divided by its number of pairs.
        same_epsilon: ε of pairs of one class; `epsilon` by default.
        same_bias: b of pairs of one class; `bias` by default.
        pull: the weight of `same`.
        negatives: which pairs of images of different classes `diff` sums: those inside `slots`, as published, or `all`
            of them, each weighed 1/k.

    Raises:
        ValueError: `embeddings` has not three dimensions, or `distance`, `reduction` or `negatives` is unknown.
    """
    _require_known(distance=(distance, DISTANCES), reduction=(reduction, REDUCTIONS), negatives=(negatives, NEGATIVES))
    if embeddings.ndim != 3:
        raise ValueError(
            f"embeddings have shape {embeddings.shape}; they must be (classes, samples per class, dimensions)"
        )
    z_ckd = embeddings.astype(jnp.promote_types(embeddings.dtype, jnp.float32))
    between_epsilon = jnp.asarray(epsilon, z_ckd.dtype)
    within_epsilon = between_epsilon if same_epsilon is None else jnp.asarray(same_epsilon, z_ckd.dtype)
    within = Kernel(float(bias if same_bias is None else same_bias), line=False)
    between = Kernel(float(bias), line=distance == "line")
    orthogonal = 1 - 2 * float(orth_lean)
    same = _sum_pairs(z_ckd, within_epsilon, -1.0, within)
    mean = _sum_pairs(z_ckd.mean(axis=1)[None], between_epsilon, orthogonal, between)
    if negatives == "all":
        classes, k, dims = z_ckd.shape
        diff = _sum_pairs(z_ckd.reshape(1, classes * k, dims), between_epsilon, orthogonal, between, k) / k
    else:
        diff = _sum_pairs(z_ckd.swapaxes(0, 1), between_epsilon, orthogonal, between)
    if reduction == "mean":
        pairs = pair_counts(*z_ckd.shape[:2])
        same, mean, diff = same / max(pairs.same, 1), mean / max(pairs.mean, 1), diff / max(pairs.diff, 1)
    same = same if pull == 1 else pull * same
    return Simo2Loss(same + mean + diff, same, mean, diff)


def _require_known(**words: tuple[str, tuple[str, ...]]) -> None:
    for name, (given, allowed) in words.items():
        if given not in allowed:
            raise ValueError(f"{name} is {given!r}; it must be one of {', '.join(allowed)}")


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _sum_pairs(x_gnd: Array, epsilon: Array, power: float, kernel: Kernel, kin: int = 1) -> Array:
    """The sum of (1 + r)^power over the pairs of points inside each group.

    Args:
        kin: how many points, one after another, are of one kind: pairs of one kind are left out.
    """
    return _over_groups(partial(_group_cost, epsilon=epsilon, power=power, kernel=kernel, kin=kin), x_gnd).sum()


def _forward(x_gnd: Array, epsilon: Array, power: float, kernel: Kernel, kin: int) -> tuple[Array, tuple[Array, Array]]:
    one = partial(_group_gradient, epsilon=epsilon, power=power, kernel=kernel, kin=kin)
    cost_g, gradient_gnd = _over_groups(one, x_gnd)
    return cost_g.sum(), (gradient_gnd, jnp.zeros_like(epsilon))


def _backward(
    power: float, kernel: Kernel, kin: int, kept: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    gradient_gnd, nothing = kept
    return gradient_gnd * cotangent, nothing


_sum_pairs.defvjp(_forward, _backward)


def _over_groups(one: Callable[[Array], T], x_gnd: Array) -> T:
    groups, points, _ = x_gnd.shape
    at_once = max(1, _ELEMENTS_AT_ONCE // points**2)
    if groups <= at_once:
        return jax.vmap(one)(x_gnd)
    every: T = jax.lax.map(one, x_gnd, batch_size=at_once if at_once > 1 else None)
    return every


def _group_cost(x_nd: Array, *, epsilon: Array, power: float, kernel: Kernel, kin: int) -> Array:
    if x_nd.shape[0] > _MOST_BLOCKS * _BLOCK:
        return _group_gradient(x_nd, epsilon=epsilon, power=power, kernel=kernel, kin=kin)[0]
    cost, (y_nd, lift_n) = jnp.zeros((), x_nd.dtype), _centre(x_nd)
    for m, n in _blocks(x_nd.shape[0]):
        apart_mn = _apart(jnp.arange(m.start, m.stop), jnp.arange(n.start, n.stop), kin)
        cost += _pair_terms(y_nd[m], y_nd[n], lift_n[m], lift_n[n], apart_mn, epsilon, power, kernel)[0].sum()
    return cost


def _group_gradient(x_nd: Array, *, epsilon: Array, power: float, kernel: Kernel, kin: int) -> tuple[Array, Array]:
    """The cost and its gradient.

    With c = (1+r)^p, q = 1/(ε+d) and s = ∂c/∂r, a pair adds `2 s q (a·b + bias) b − 2 s r q (a − σb)` to the gradient
    of a, and the same with a and b exchanged to that of b: two matrix products with the pair terms. σ is the sign of
    the distance's product: 1, or that of a·b between lines.
    """
    points = x_nd.shape[0]
    y_nd, lift_n = _centre(x_nd)

    def block(x_md: Array, y_md: Array, lift_m: Array, index_m: Array, n: slice) -> tuple[Array, Array, Array]:
        apart_mn = _apart(index_m, jnp.arange(n.start, n.stop), kin)
        terms = _pair_terms(y_md, y_nd[n], lift_m, lift_n[n], apart_mn, epsilon, power, kernel)
        cost_mn, slope_mn, closeness_mn, r_mn, dot_mn = terms
        pull_mn = 2 * slope_mn * closeness_mn * r_mn
        toward_mn = jnp.where(dot_mn < 0, -pull_mn, pull_mn) if kernel.line else pull_mn
        mixed_mn = 2 * slope_mn * closeness_mn * (dot_mn + kernel.bias) + toward_mn
        a_gradient = jnp.matmul(mixed_mn, x_nd[n], precision=_HIGHEST) - pull_mn.sum(1, keepdims=True) * x_md
        b_gradient = jnp.matmul(mixed_mn.T, x_md, precision=_HIGHEST) - pull_mn.sum(0)[:, None] * x_nd[n]
        return cost_mn.sum(), a_gradient, b_gradient

    cost, gradient_nd = jnp.zeros((), x_nd.dtype), jnp.zeros_like(x_nd)
    if points <= _MOST_BLOCKS * _BLOCK:
        for m, n in _blocks(points):
            added, a_gradient, b_gradient = block(x_nd[m], y_nd[m], lift_n[m], jnp.arange(m.start, m.stop), n)
            cost += added
            gradient_nd = gradient_nd.at[m].add(a_gradient).at[n].add(b_gradient)
        return cost, gradient_nd

    def step(done: tuple[Array, Array], start: Array) -> tuple[tuple[Array, Array], None]:
        cost, gradient_nd = done
        first = jnp.minimum(start, points - _BLOCK)  # the last block begins earlier, and leaves out what was done
        x_md, y_md, lift_m = (jax.lax.dynamic_slice_in_dim(rows, first, _BLOCK) for rows in (x_nd, y_nd, lift_n))
        index_m = first + jnp.arange(_BLOCK)
        index_m = jnp.where(index_m < start, points * kin, index_m)
        added, a_gradient, b_gradient = block(x_md, y_md, lift_m, index_m, slice(0, points))
        gradient_nd = gradient_nd + b_gradient
        own = jax.lax.dynamic_slice_in_dim(gradient_nd, first, _BLOCK) + a_gradient
        return (cost + added, jax.lax.dynamic_update_slice_in_dim(gradient_nd, own, first, 0)), None

    return jax.lax.scan(step, (cost, gradient_nd), jnp.arange(0, points, _BLOCK))[0]


def _blocks(points: int) -> list[tuple[slice, slice]]:
    """Rows, and the columns from the diagonal on, of a symmetric matrix."""
    return [(slice(start, min(start + _BLOCK, points)), slice(start, points)) for start in range(0, points, _BLOCK)]


def _apart(index_m: Array, index_n: Array, kin: int) -> Array:
    """(m, n) whether a pair counts: once, and not inside a row of `kin` points."""
    return (index_m // kin)[:, None] < (index_n // kin)[None, :]


def _centre(x_nd: Array) -> tuple[Array, Array]:
    """Rows less their mean, and what gives their products back: x_i·x_j = y_i·y_j + lift_i + lift_j.

    A distance is a difference of products. Of rows that are nearly equal, only the centred ones keep its digits.
    """
    mean_d = x_nd.mean(axis=0)
    y_nd = x_nd - mean_d[None, :]
    return y_nd, jnp.matmul(y_nd, mean_d, precision=_HIGHEST) + jnp.square(mean_d).sum() / 2


def _pair_terms(
    a_md: Array,
    b_nd: Array,
    a_lift_m: Array,
    b_lift_n: Array,
    pair_mn: Array,
    epsilon: Array,
    power: float,
    kernel: Kernel,
) -> tuple[Array, Array, Array, Array, Array]:
    """For those pairs of centred rows of `a_md` and `b_nd` that `pair_mn` says: cost and slope are zero elsewhere.

    Returns: (m, n) each: cost, ∂cost/∂r, 1/(ε+d), r, a·b.
    """
    gram_mn = jnp.matmul(a_md, b_nd.T, precision=_HIGHEST)
    square_m, square_n = jnp.square(a_md).sum(1), jnp.square(b_nd).sum(1)
    distance_mn = jnp.maximum(square_m[:, None] + square_n[None, :] - 2 * gram_mn, 0)
    dot_mn = gram_mn + a_lift_m[:, None] + b_lift_n[None, :]
    if kernel.line:  # the squares of the rows as they were: ‖a+b‖² is the distance of a to −b
        opposite_mn = (square_m + 2 * a_lift_m)[:, None] + (square_n + 2 * b_lift_n)[None, :] + 2 * dot_mn
        distance_mn = jnp.where(dot_mn < 0, jnp.maximum(opposite_mn, 0), distance_mn)
    closeness_mn = 1 / (epsilon + distance_mn)
    r_mn = jnp.square(dot_mn + kernel.bias) * closeness_mn
    cost_mn = 1 / (1 + r_mn) if power == -1 else 1 + r_mn if power == 1 else jnp.exp(power * jnp.log1p(r_mn))
    slope_mn = power * cost_mn / (1 + r_mn)
    return jnp.where(pair_mn, cost_mn, 0), jnp.where(pair_mn, slope_mn, 0), closeness_mn, r_mn, dot_mn
