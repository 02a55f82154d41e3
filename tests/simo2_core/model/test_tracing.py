"""What is written down takes no form of a CPU's."""

import jax
import pytest

from simo2_core.model import tracing


def test_inside_as_written_nothing_suits_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "has_one_cpu", lambda: True)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert tracing.suits_cpu()
    assert tracing.suits_one_cpu()
    with tracing.as_written():
        assert tracing.is_as_written()
        assert not tracing.suits_cpu()
        assert not tracing.suits_one_cpu()
    assert tracing.suits_one_cpu()
