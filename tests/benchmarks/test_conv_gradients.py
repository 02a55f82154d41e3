"""Which form a convolution and its gradients are fastest in: pytest tests/benchmarks/test_conv_gradients.py -s.

The table in `simo2_core.model.conv_forms` comes from these figures: for each shape, what it goes by (the bytes of a
map in float32, the images at a time in bfloat16), and the best of its turns in each form. To be taken on a quiet
machine. The forms for small maps and 1×1 kernels are held to those of XLA by `test_conv.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.model import conv
from simo2_core.model.conv import convolve
from simo2_core.model.conv_forms import PLAIN, Form, form_of
from simo2_core.model.conv_gradients import gradients
from simo2_core.processor import multiplies_bfloat16
from tests.benchmarks.interleaved import best_of_each

FORMS = {"plain": PLAIN, "phases": Form(phases=True)} | {f"by {n}": Form(n, phases=True) for n in (8, 16, 32)}

SHAPES = [
    (batch, side, narrow, wide, stride)
    for batch, widths in ((160, (64, 128, 256, 512)), (320, (16, 32, 64, 128)))
    for side, narrow, wide, stride in zip(
        (32, 32, 16, 16, 8, 8, 4), np.repeat(widths, 2)[:7], np.repeat(widths, 2)[1:], (1, 2) * 3 + (1,), strict=True
    )
] + [(37, 28, 8, 16, 1)]
"""ResNet-18 as published and at a quarter of its widths; a batch that nothing divides."""


@pytest.mark.parametrize("shape", SHAPES)
def test_the_table_takes_the_fastest_form(shape):
    """Or one close to it; of what was normalised and rectified, as in a network: XLA fuses that into what reads it."""
    batch, side, narrow, wide, stride = map(int, shape)
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.normal(size=(batch, side, side, narrow)), jnp.float32)
    kernel = jnp.asarray(draw.normal(size=(3, 3, narrow, wide)), jnp.float32)
    given = jnp.asarray(draw.normal(size=(batch, side // stride, side // stride, wide)), jnp.float32)

    def rival(form):
        def both(x, kernel, given):
            shown = jax.nn.relu((x - x.mean()) * jax.lax.rsqrt(x.var() + 1e-5))
            return gradients(shown, kernel, jnp.where(given > 0, given, 0), (stride, stride), "SAME", form)

        return both

    best = best_of_each({name: rival(form) for name, form in FORMS.items()}, x, kernel, given)
    chosen = form_of(x.shape, kernel.shape, given.shape[1:3], x.dtype)
    name = next(name for name, form in FORMS.items() if form == chosen)
    large = 4e-6 * batch * side**2 * max(narrow, wide)
    print(f"\n{shape}, {large:.1f} MB: table {name};", ", ".join(f"{form} {ms:.1f} ms" for form, ms in best.items()))
    assert best[name] < 1.5 * min(best.values())


@pytest.mark.skipif(not multiplies_bfloat16(), reason="needs a processor with units for bfloat16, and jax 0.12")
@pytest.mark.parametrize("shape", SHAPES)
def test_patches_of_bfloat16_are_no_slower_than_float32(shape, monkeypatch):
    """Maps of one dtype in, convolved and differentiated, as a network does it."""
    batch, side, narrow, wide, stride = map(int, shape)
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.normal(size=(batch, side, side, narrow)), jnp.float32)
    kernel = jnp.asarray(draw.normal(size=(3, 3, narrow, wide)), jnp.float32)
    given = jnp.asarray(draw.normal(size=(batch, side // stride, side // stride, wide)), jnp.float32)
    chosen = form_of(x.shape, kernel.shape, given.shape[1:3], jnp.bfloat16)

    def rival(dtype, images):
        form = chosen._replace(images=min(images, batch // 2))

        def both(*operands):
            x, kernel, given = operands[:3] if dtype == jnp.float32 else operands[3:]
            if dtype == jnp.bfloat16:
                monkeypatch.setattr(conv, "form_of", lambda *_: form)
            y, transpose = jax.vjp(lambda x, k: convolve(x, k, (stride, stride), "SAME"), x, kernel)
            found = y, *transpose(given.astype(y.dtype))
            monkeypatch.setattr(conv, "form_of", form_of)
            return found

        return both

    rivals = {"float32": rival(jnp.float32, 0)}
    rivals |= {f"by {n}": rival(jnp.bfloat16, n) for n in sorted({1, chosen.images, 4 * chosen.images})}
    best = best_of_each(rivals, x, kernel, given, *(a.astype(jnp.bfloat16) for a in (x, kernel, given)))
    print(f"\n{shape}: table by {chosen.images};", ", ".join(f"{form} {ms:.1f} ms" for form, ms in best.items()))
    assert best[f"by {chosen.images}"] < 1.5 * min(best.values())
