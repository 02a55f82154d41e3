import jax
import pytest

from simo2_core import processor


@pytest.mark.parametrize(
    ("flags", "version", "expected"),
    [
        ("flags : fpu avx512_bf16 sse", (0, 12, 0), True),
        ("flags : amx_bf16", (0, 12, 0), True),
        ("flags : fpu avx512_bf16 sse", (0, 10, 2), False),
        ("flags : fpu avx512_bf16x sse", (0, 12, 0), False),
        ("Features : fp asimd", (0, 12, 0), False),
    ],
)
def test_who_multiplies_bfloat16(flags, version, expected, tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(jax, "__version_info__", version)
    for of in (processor.features, processor.multiplies_bfloat16):
        of.cache_clear()
    try:
        assert processor.multiplies_bfloat16() is expected
    finally:
        for of in (processor.features, processor.multiplies_bfloat16):
            of.cache_clear()


def test_a_machine_without_the_file_has_a_name(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    processor.features.cache_clear()
    assert isinstance(processor.features(), str)
    processor.features.cache_clear()
