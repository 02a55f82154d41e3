"""Each objective of another paper against its formula, a pair at a time in float64; values, gradients and floors."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.errors import ConfigError
from simo2_core.objectives.arcface import ArcFace, with_margin
from simo2_core.objectives.emp_ssl import EmpSsl
from simo2_core.objectives.mcr2 import Mcr2
from simo2_core.objectives.objective import Batch, Seen, Task
from simo2_core.objectives.opl import OrthogonalProjection
from simo2_core.objectives.prototypes import FixedPrototypes, Nonl, Ntce
from simo2_core.objectives.sigmoid import Sigmoid
from simo2_core.objectives.sincere import Sincere

C, K, D, F, ALL = 4, 3, 8, 5, 6
CLASSES = [5, 0, 3, 2]
LABELS = np.repeat(CLASSES, K)
N = C * K
TASK = Task(ALL, (1, 1, 1), F, D, (F,))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def cross_entropy(scores, label):
    return -(scores[label] - np.log(np.exp(scores).sum()))


def opl(objective, own, z, h):
    scores = h @ own["classifier/kernel"] + own["classifier/bias"]
    entropy = np.mean([cross_entropy(scores[i], LABELS[i]) for i in range(N)])
    rows = unit(h)
    pairs = [(i, j) for i in range(N) for j in range(N) if i != j]
    same = np.mean([rows[i] @ rows[j] for i, j in pairs if LABELS[i] == LABELS[j]])
    different = np.mean([rows[i] @ rows[j] for i, j in pairs if LABELS[i] != LABELS[j]])
    pull, push = 1 - same, objective.opl_push * abs(different)
    weight = objective.opl_weight
    return {"total": entropy + weight * (pull + push), "entropy": entropy, "pull": weight * pull, "push": weight * push}


def mcr2(objective, own, z, h):
    def rate(rows):
        n, dims = rows.shape
        return np.log(np.linalg.det(np.eye(dims) + dims / (n * objective.distortion) * rows.T @ rows)) / 2

    pull = sum(K / N * rate(z[c == LABELS]) for c in CLASSES)
    return {"total": pull - rate(z), "pull": pull, "push": -rate(z)}


def emp_ssl(objective, own, z, h):
    views = z.reshape(C, K, D)
    rates = []
    for v in range(K):
        rows = views[:, v]
        gram = np.eye(D) + D / (C * objective.code_error) * rows.T @ rows
        rates.append(np.log(np.linalg.det(gram)) / 2)
    cosines = [views[c, v] @ unit(views[c].mean(axis=0)) for c in range(C) for v in range(K)]
    pull, push = -objective.invariance * np.mean(cosines), -np.mean(rates)
    return {"total": pull + push, "pull": pull, "push": push}


def ntce(objective, own, z, h):
    rows = unit(own["prototypes"]) / objective.temperature
    pull, push = [], []
    for i in range(N):
        scores = [rows[LABELS[i]] @ z[j] for j in range(N)]
        against = [s for j, s in enumerate(scores) if objective.name == "ntce" or LABELS[j] != LABELS[i]]
        pull.append(-scores[i])
        push.append(np.log(np.sum(np.exp(against))))
    return {"total": np.mean(pull) + np.mean(push), "pull": np.mean(pull), "push": np.mean(push)}


def fixed_prototypes(objective, own, z, h):
    axes = np.eye(D)
    return {"total": np.mean([1 - axes[LABELS[i]] @ z[i] for i in range(N)])}


def arcface(objective, own, z, h):
    rows, losses, margin = unit(own["prototypes"]), [], objective.angular_margin
    for i in range(N):
        cosines = rows @ z[i]
        angle = np.arccos(cosines[LABELS[i]])
        farther = np.cos(angle + margin) if angle < np.pi - margin else np.cos(angle) - margin * np.sin(margin)
        cosines[LABELS[i]] = farther
        losses.append(cross_entropy(objective.cosine_scale * cosines, LABELS[i]))
    return {"total": np.mean(losses)}


def sincere(objective, own, z, h):
    losses = []
    for i in range(N):
        against = sum(np.exp(z[i] @ z[n] / objective.temperature) for n in range(N) if LABELS[n] != LABELS[i])
        positives = [np.exp(z[i] @ z[p] / objective.temperature) for p in range(N) if LABELS[p] == LABELS[i] and p != i]
        losses.append(np.mean([-np.log(positive / (positive + against)) for positive in positives]))
    return {"total": np.mean(losses)}


def sigmoid(objective, own, z, h):
    slope, threshold, pull, push = np.exp(own["log_slope"]), own["threshold"], 0.0, 0.0
    for i in range(N):
        for j in range(N):
            score = slope * z[i] @ z[j] + threshold
            if LABELS[i] != LABELS[j]:
                push -= np.log(1 / (1 + np.exp(score))) / N
            elif i != j:
                pull -= np.log(1 / (1 + np.exp(-score))) / N
    return {"total": pull + push, "pull": pull, "push": push}


CASES = [
    (OrthogonalProjection(opl_weight=2.0, opl_push=0.7), opl),
    (Mcr2(), mcr2),
    (Mcr2(distortion=0.1), mcr2),
    (EmpSsl(), emp_ssl),
    (EmpSsl(invariance=2.0, code_error=1.5), emp_ssl),
    (Ntce(temperature=0.2), ntce),
    (Nonl(temperature=0.2), ntce),
    (FixedPrototypes(), fixed_prototypes),
    (ArcFace(cosine_scale=8.0), arcface),
    (ArcFace(cosine_scale=8.0, angular_margin=0.0), arcface),
    (ArcFace(cosine_scale=8.0, angular_margin=1.5), arcface),  # some angles are beyond π − 1.5
    (Sincere(temperature=0.2), sincere),
    (Sigmoid(first_slope=3.0, first_threshold=-1.0), sigmoid),
]


def batch(seed, dims=D):
    draw = np.random.default_rng(seed)
    return unit(draw.normal(size=(N, dims)) + draw.normal(size=dims)), draw.normal(size=(N, F))


def seen_of(z, h):
    z_ckd = jnp.asarray(z, jnp.float32).reshape(C, K, -1)
    return Seen(z_ckd, jnp.asarray(h, jnp.float32), np.asarray(CLASSES), np.zeros((N, 1, 1, 1), np.float32))


def total_of(objective):
    """The loss of rows alone, without representations, as one program."""
    return jit(lambda own, z: objective.loss(own, seen_of(z, np.zeros((N, F))), TASK).total)


@pytest.mark.parametrize(("objective", "loop"), CASES, ids=[f"{o.name}-{i}" for i, (o, _) in enumerate(CASES)])
def test_agrees_with_a_loop_in_value_and_gradient_and_keeps_above_its_floors(objective, loop):
    def values(own, z, h):
        loss = objective.loss(own, seen_of(z, h), TASK)
        return loss.total, loss.terms

    of = jit(jax.value_and_grad(values, argnums=(0, 1, 2), has_aux=True))
    params = objective.init(jax.random.key(1), TASK)
    for seed in range(3):
        z, h = batch(seed)
        own = {name: np.asarray(value, np.float64) for name, value in params.items()}
        (total, terms), gradients = of(params, jnp.asarray(z, jnp.float32), jnp.asarray(h, jnp.float32))
        expected = loop(objective, own, z, h)
        assert {"total", *terms} == set(expected) == set(objective.terms(C, K))
        for name, value in {"total": total, **terms}.items():
            assert float(value) == pytest.approx(expected[name], rel=1e-5, abs=1e-6)
            floor = objective.terms(C, K)[name].floor
            assert floor is None or float(value) >= floor
        if not terms:
            continue
        assert float(sum(terms.values())) == pytest.approx(float(total), rel=1e-5)

    # along one direction in everything that is trained, by differences of the loop
    draw = np.random.default_rng(9)
    step = {name: draw.normal(size=value.shape) for name, value in own.items()}
    dz, dh = draw.normal(size=z.shape), draw.normal(size=h.shape)
    at = [
        loop(objective, {name: own[name] + e * step[name] for name in own}, z + e * dz, h + e * dh)["total"]
        for e in (1e-6, -1e-6)
    ]
    along = sum(np.vdot(gradients[0][name], step[name]) for name in own)
    along += np.vdot(gradients[1], dz) + np.vdot(gradients[2], dh)
    assert along == pytest.approx((at[0] - at[1]) / 2e-6, rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("objective", [Ntce(temperature=0.5), Nonl(temperature=0.5), Sincere(temperature=0.5)])
def test_a_simplex_of_classes_is_at_the_floor(objective):
    corners = unit(np.eye(C, D) - np.eye(C, D).mean(axis=0))
    own = np.ones((ALL, D))
    own[CLASSES] = 2.5 * corners
    total = total_of(objective)({"prototypes": np.float32(own)}, np.float32(np.repeat(corners, K, axis=0)))
    assert float(total) == pytest.approx(objective.terms(C, K)["total"].floor, rel=1e-5)


def test_orthogonal_classes_are_best_for_mcr2_and_its_rate_is_right_for_more_images_than_dimensions():
    program = total_of(Mcr2())

    def total(rows):
        return float(program({}, np.float32(np.repeat(rows, K, axis=0))))

    simplex = unit(np.eye(C, D) - np.eye(C, D).mean(axis=0))
    assert total(np.eye(C, D)) < total(simplex) < total(np.ones((C, D)) / D**0.5)
    flat, _ = batch(0, dims=2)  # three images of a class in two dimensions: the other Gram matrix is the smaller
    assert float(program({}, np.float32(flat))) == pytest.approx(mcr2(Mcr2(), {}, flat, None)["total"], rel=1e-5)


def test_the_margin_falls_with_the_angle_and_is_finite_at_its_ends():
    cosines = np.float32([1.0, 0.5, -0.87, -0.89, -1.0])
    found, slopes = jit(jax.vmap(jax.value_and_grad(lambda c: with_margin(c, 0.5))))(cosines)
    assert (np.diff(found) < 0).all()
    assert np.isfinite(slopes).all()
    assert float(found[0]) == pytest.approx(math.cos(0.5), abs=1e-3)


def test_more_classes_than_axes_are_refused_before_a_run_and_at_its_start():
    crowded = Batch(classes=4, samples=3, size=12, all_classes=9, dimensions=8, labels="classes")
    (finding,) = FixedPrototypes().advice(crowded)
    assert finding.severity == "error"
    assert finding.cure == "Use --embedding-size 9 or more."
    with pytest.raises(ConfigError, match="9 classes cannot have an axis each in 8 dimensions"):
        FixedPrototypes().init(jax.random.key(0), Task(9, (1, 1, 1), F, D, (F,)))


@pytest.mark.parametrize("objective", ["opl", "ntce", "nonl", "fixed_prototypes", "arcface"])
def test_those_with_a_parameter_or_axis_for_each_class_want_classes(objective):
    with pytest.raises(ConfigError, match="Use --labels classes"):
        Config().replace({"objective": objective, "labels": "none"})
