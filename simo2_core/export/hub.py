"""A folder that was exported, pushed to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from simo2_core.errors import RunError
from simo2_core.hub_client import quiet


def require_hub() -> None:
    """Raises RunError unless the Hub's client is installed: cheap, for before the work."""
    try:
        import huggingface_hub  # noqa: F401  looked for
    except ImportError:
        raise RunError("--push needs huggingface_hub: pip install 'simo2[hf]'. Nothing was written.") from None


def push(folder: Path, name: str) -> str:
    """Puts the files of a folder into the model `name` of the Hub, private where it is new; returns its address.

    Raises:
        RunError: the Hub cannot be reached, or refuses.
    """
    require_hub()
    from huggingface_hub import HfApi

    try:
        with quiet():
            client = HfApi()
            client.create_repo(name, private=True, exist_ok=True)
            return str(client.upload_folder(repo_id=name, folder_path=folder, commit_message="Exported by simo2"))
    except Exception as error:  # the client's own errors are many: no network, no token, no such owner
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise RunError(f"{name} cannot be pushed: {said}. {folder} is written: push it with hf upload.") from None
