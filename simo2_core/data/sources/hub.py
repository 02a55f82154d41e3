"""Data sets of the Hugging Face Hub by name: those that were fetched before, and fetching one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from simo2_core.data.progress import Progress, Report
from simo2_core.errors import DataError
from simo2_core.hub_client import quiet
from simo2_core.paths import is_dir, user_path

PREFIX = "hf:"

_NAME = re.compile(r"(?P<repo>[\w-][\w.-]*(/[\w-][\w.-]*)?)(/(?P<set>[\w-][\w.-]*))?")
_BRANCHES = ("main", "refs/convert/parquet")
"""Where Parquet files are: those of the authors, and those that the Hub has made of others."""


def _taken_apart(dataset: str) -> tuple[str, str]:
    """`hf:OWNER/NAME/SET` as the name of the repository, and of the set in it or an empty text."""
    match = _NAME.fullmatch(dataset.removeprefix(PREFIX))
    if match is None or len(dataset) > 200:
        raise DataError(f"{dataset!r} is no name on the Hub. Give hf:OWNER/NAME, or hf:OWNER/NAME/SET.")
    return match["repo"], match["set"] or ""


def snapshot(dataset: str) -> Path | None:
    """Where an earlier fetch has put the files of `hf:NAME`; None where there was none."""
    repo, inner = _taken_apart(dataset)
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    folder = user_path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub") / f"datasets--{repo.replace('/', '--')}"
    for branch in _BRANCHES:
        try:
            commit = (folder / "refs" / branch).read_text().strip()
        except OSError:
            continue
        found = folder / "snapshots" / commit / inner
        if re.fullmatch(r"[0-9a-f]+", commit) and is_dir(found) and any(found.rglob("*.parquet")):
            return found
    return None


def _by_hand(repo: str, inner: str) -> str:
    """Which files to bring: those that the Hub makes of every set are called alike, whatever the authors' are."""
    inner, more = inner or "SET", "" if inner else " for each SET"
    return (
        f"Fetch {inner}/train/0000.parquet, {inner}/test/0000.parquet and what else "
        f"https://huggingface.co/api/datasets/{repo}/parquet lists{more}, elsewhere, from "
        f"https://huggingface.co/datasets/{repo}/resolve/{_BRANCHES[1].replace('/', '%2F')}/, keep their folders train "
        f"and test, and give the folder that those are in as the data set."
    )


def hub_folder(dataset: str, report: Report) -> Path:
    """The files of `hf:NAME`, fetched where they are not here.

    Raises:
        DataError: they cannot be fetched; the message names them.
    """
    repo, inner = _taken_apart(dataset)
    found = snapshot(dataset)
    if found is not None:
        return found
    site = f"https://huggingface.co/datasets/{repo}/tree"
    by_hand = _by_hand(repo, inner)
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        cure = f"Install its client: pip install 'simo2[hf]'. Or without: {by_hand[0].lower()}{by_hand[1:]}"
        raise DataError(f"{dataset} is not on this machine, and huggingface_hub is not installed. {cure}") from None
    for branch in _BRANCHES:
        report(Progress(stage="note", name=f"fetching {dataset} from {site}/{branch}"))
        try:
            with quiet():
                patterns = f"{inner + '/' * bool(inner)}*.parquet"
                fetched = Path(snapshot_download(repo, repo_type="dataset", revision=branch, allow_patterns=patterns))
        except LocalEntryNotFoundError:
            raise DataError(f"{dataset} is not on this machine, and the Hub cannot be reached. {by_hand}") from None
        except Exception as error:  # its client, and what that is built on, raise many kinds
            line = " ".join(str(error).split())[:150]
            raise DataError(f"{dataset} cannot be fetched ({line}). {by_hand}") from None
        if any((fetched / inner).rglob("*.parquet")):
            return fetched / inner
    raise DataError(f"{repo} has no Parquet files{f' of {inner}' if inner else ''}: see {site}/main. {by_hand}")
