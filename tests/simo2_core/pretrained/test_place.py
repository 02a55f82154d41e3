"""Where weights come from, with a Hub client that is not there, has no network, or serves files."""

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from simo2_core.errors import RunError, Simo2Error
from simo2_core.pretrained.place import find_weights, is_pretrained


class _NotCachedError(Exception):
    pass


class _NoEntryError(Exception):
    pass


class _NoNameError(ValueError):
    pass


def client(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    hub, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    hub.hf_hub_download = download  # type: ignore[attr-defined]
    errors.EntryNotFoundError, errors.LocalEntryNotFoundError = _NoEntryError, _NotCachedError  # type: ignore[attr-defined]
    errors.HFValidationError = _NoNameError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)


def test_a_name_of_the_hub_without_its_client_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match=r"pip install 'simo2\[hf\]'. Or without: fetch model.safetensors"):
        find_weights("hf:timm/resnet18.a1_in1k")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            _NotCachedError(),
            r"Bring model.safetensors and, .* from https://huggingface\.co/owner/name/resolve/",
        ),
        (_NoEntryError(), r"has no model\.safetensors"),
        (_NoNameError(), "is no name on the Hub"),
        (OSError("403\nForbidden"), "cannot be fetched: 403 Forbidden"),
    ],
)
def test_a_hub_that_gives_nothing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    log = logging.getLogger("huggingface_hub.utils._http")

    def download(*_: str) -> str:
        log.warning("thrown while requesting")
        raise error

    client(monkeypatch, download)
    with pytest.raises(RunError, match=said) as told:
        find_weights("hf:owner/name")
    assert "\n" not in str(told.value)
    assert not caplog.messages
    log.warning("of somebody else's call")
    assert len(caplog.messages) == 1


def test_the_files_beside_the_weights_are_fetched_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def download(name: str, file: str) -> str:
        asked.append((name, file))
        if file == "preprocessor_config.json":
            raise _NoEntryError
        (tmp_path / file).touch()
        return str(tmp_path / file)

    client(monkeypatch, download)
    assert find_weights("hf:owner/name") == tmp_path / "model.safetensors"
    assert [file for _, file in asked] == ["model.safetensors", "config.json", "preprocessor_config.json"]


def test_what_is_no_weights_is_told(tmp_path: Path) -> None:
    for text, said in {
        str(tmp_path / "no.safetensors"): "is no file",
        str(tmp_path / "weights.pth"): "pickle, which runs code",
        str(tmp_path / "pytorch_model.bin"): "pickle, which runs code",
    }.items():
        assert is_pretrained(text)
        with pytest.raises(Simo2Error, match=said):
            find_weights(text)
    assert not is_pretrained(str(tmp_path))
    (tmp_path / "model.safetensors").touch()
    assert find_weights(str(tmp_path)) == tmp_path / "model.safetensors"
    (tmp_path / "encoder.safetensors").touch()
    assert is_pretrained(str(tmp_path))
    assert find_weights(str(tmp_path)) == tmp_path / "encoder.safetensors", "of simo2, which is of every encoder"
    assert not is_pretrained("latest")
