"""Where pretrained weights lie: a file, a folder with one, or a name on the Hugging Face Hub.

Those of another library, or an encoder that simo2 exported.
"""

from __future__ import annotations

from pathlib import Path

from simo2_core.errors import CheckpointError, RunError
from simo2_core.hub_client import quiet
from simo2_core.paths import exists, user_path
from simo2_core.pretrained import own

HUB = "hf:"
WEIGHTS = "model.safetensors"
BESIDE = ("config.json", "preprocessor_config.json")
"""What says how images are prepared; either may be missing."""
_FILES = (own.WEIGHTS, WEIGHTS)
"""Of a folder, the first that is there."""
_PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".pkl")


def is_pretrained(text: str) -> bool:
    """Whether `text` names weights, and not a run."""
    if text.startswith(HUB) or Path(text).suffix in (".safetensors", *_PICKLES):
        return True
    return exists(path := user_path(text)) and any((path / name).is_file() for name in _FILES)


def find_weights(text: str) -> Path:
    """The file that `text` names; one of the Hub is fetched unless it is in the Hub's cache.

    Raises:
        RunError: there is none, or the Hub cannot be reached.
        CheckpointError: a file of another kind, which is not read.
    """
    if text.startswith(HUB):
        return _from_hub(text.removeprefix(HUB))
    path = user_path(text).absolute()
    if path.is_dir():
        path = next((path / name for name in _FILES if (path / name).is_file()), path / WEIGHTS)
    if path.suffix in _PICKLES:
        raise CheckpointError(
            f"{path} is a pickle, which runs code when it is read. Use its {WEIGHTS}, or convert it with safetensors."
        )
    if not path.is_file():
        raise RunError(
            f"{path} is no file. Give a .safetensors file, a folder with {WEIGHTS} or that simo2 export wrote, or "
            "hf:NAME."
        )
    return path


def _files_of(name: str) -> str:
    return (
        f"{WEIGHTS} and, where there are such, {' and '.join(BESIDE)} from https://huggingface.co/{name}/resolve/main/ "
        "into a folder, and give that."
    )


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise RunError(
            f"hf:{name} needs huggingface_hub: pip install 'simo2[hf]'. Or without: fetch {_files_of(name)}"
        ) from None
    import contextlib

    try:
        with quiet():
            path = Path(hf_hub_download(name, WEIGHTS))
    except HFValidationError:
        raise RunError(
            f"hf:{name} is no name on the Hub. Write hf:OWNER/MODEL, as in hf:timm/resnet50.a1_in1k."
        ) from None
    except LocalEntryNotFoundError:
        raise RunError(
            f"hf:{name} is not in the Hub's cache, and the Hub cannot be reached. Bring {_files_of(name)}"
        ) from None
    except EntryNotFoundError:
        raise RunError(f"hf:{name} has no {WEIGHTS}. Use a model that has its weights as safetensors.") from None
    except Exception as error:  # the client's own errors are many: no such repository, no access, a proxy
        raise RunError(f"hf:{name} cannot be fetched: {' '.join(str(error).split())[:200].rstrip('.')}.") from None
    for beside in BESIDE:
        with quiet(), contextlib.suppress(Exception):  # it has its defaults
            hf_hub_download(name, beside)
    return path
