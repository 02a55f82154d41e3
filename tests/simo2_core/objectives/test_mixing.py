"""Mixing, against a loop over images and pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.errors import ConfigError
from simo2_core.objectives.cross_entropy import CrossEntropy
from simo2_core.objectives.mixing import Mix, draw_mix
from simo2_core.objectives.objective import Seen, Task

C, K, SHAPE = 3, 4, (12, 6, 5, 2)
CLASSES = np.array([4, 0, 2])
TASK = Task(5, SHAPE[1:], 7, 4, (7,))
KEY = jax.random.key(3)


def _images() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def _by_loop(mix: Mix, smoothing: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Images and targets."""
    images, labels = _images(), [CLASSES[n // K] for n in range(C * K)]
    made, targets = np.zeros(SHAPE), np.zeros((C * K, 5))
    for n in range(C * K):
        stays, other = 0.0, int(mix.other[n])
        for y in range(SHAPE[1]):
            for x in range(SHAPE[2]):
                part = float(mix.share[n]) if mix.pasted is None else 1.0 - float(mix.pasted[n, y, x])
                made[n, y, x] = part * images[n, y, x] + (1 - part) * images[other, y, x]
                stays += part / (SHAPE[1] * SHAPE[2])
        for label, part in ((labels[n], stays), (labels[other], 1 - stays)):
            for c in range(5):
                targets[n, c] += part * (smoothing / 5 + (1 - smoothing) * (c == label))
    return made, targets


@pytest.mark.parametrize(("kind", "alpha", "smoothing"), [("mixup", 0.2, 0.2), ("cutmix", 1.0, 0.0)])
def test_images_and_targets_are_mixed_as_a_loop_mixes_them(kind: str, alpha: float, smoothing: float) -> None:
    objective = CrossEntropy(mixing=kind, mixing_alpha=alpha, label_smoothing=smoothing)
    draw = np.random.default_rng(1)
    h, kernel = (draw.normal(size=shape).astype(np.float32) for shape in ((C * K, 7), (7, 5)))
    params = {"classifier/kernel": jnp.asarray(kernel), "classifier/bias": jnp.zeros(5)}

    def all_of_it(key: Array, images: Array) -> tuple[Mix, Array, Array]:
        seen = Seen(jnp.zeros((C, K, 4)), jnp.asarray(h), jnp.asarray(CLASSES), images, 1.0, key)
        mix = draw_mix(key, SHAPE, kind, alpha)
        return mix, objective.view(key, images), objective.loss(params, seen, TASK).total

    mix, shown, loss = jit(all_of_it)(KEY, _images())
    images, targets = _by_loop(jax.device_get(mix), smoothing)
    np.testing.assert_allclose(shown, images, atol=1e-6)
    logits = h.astype(np.float64) @ kernel
    right = -(targets * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum(axis=1).mean()
    assert float(loss) == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_draws_follow_the_key_and_the_distribution(kind: str) -> None:
    draw = jit(lambda key: draw_mix(key, (4000, 32, 32, 3), kind, 1.0))
    one, again, other = draw(KEY), draw(KEY), draw(jax.random.key(4))
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(again), strict=True))
    assert not np.array_equal(one.other, other.other)
    assert np.array_equal(np.sort(one.other), np.arange(4000)), "each image is used once"
    shares = np.asarray(one.share)
    assert ((shares >= 0) & (shares <= 1)).all()
    if kind == "mixup":
        assert np.histogram(shares, bins=4, range=(0, 1))[0] == pytest.approx([1000] * 4, rel=0.12)
    else:
        assert one.pasted is not None
        inside = np.asarray(one.pasted)
        np.testing.assert_allclose(shares, 1 - inside.mean(axis=(1, 2)), atol=1e-6)
        rows, columns = inside.any(axis=2).sum(axis=1), inside.any(axis=1).sum(axis=1)
        assert np.array_equal(rows * columns, inside.sum(axis=(1, 2))), "a rectangle"


def test_nothing_is_mixed_by_default_and_where_images_are_compared_it_is_refused() -> None:
    images = jnp.asarray(_images())
    assert CrossEntropy().view(KEY, images) is images
    for objective in ("simo2", "supcon", "opl", "arcface"):
        with pytest.raises(
            ConfigError, match=r"mixing is a setting of the objective cross_entropy.*--mixing"
        ) as caught:
            Config().replace({"objective": objective, "mixing": "mixup"})
        assert "\n" not in str(caught.value)
    whole = Config().replace({"objective": "cross_entropy", "mixing": "cutmix", "mixing_alpha": 0.5})
    assert Config.from_json(whole.to_json()) == whole
    body = whole.to_json()
    del body["objective"]["mixing"], body["objective"]["mixing_alpha"]
    assert Config.from_json(body).get("mixing") == "none", "a run of before there was mixing"
