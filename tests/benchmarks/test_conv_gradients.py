"""Which form the gradients of a convolution are fastest in; run by name, with -s.

The table in `simo2_core.model.conv_gradients` comes from these figures. They are seconds of the processors, which other
processes disturb least; every form is spread over the cores alike.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.model.conv_gradients import PLAIN, Form, form_of, gradients
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
    """Of what was normalised and rectified, as in a network: XLA fuses that into whatever reads it."""
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

    best = best_of_each({name: rival(form) for name, form in FORMS.items()}, x, kernel, given, clock=time.process_time)
    chosen = form_of(x.shape, given.shape, 4)
    name = next(name for name, form in FORMS.items() if form == chosen)
    print(f"\n{shape}: table {name};", ", ".join(f"{form} {ms:.1f} ms" for form, ms in best.items()))
    assert best[name] < 1.25 * min(best.values())
