"""Downloads for TFDS that resume, say how far they are, and fail in plain words. Runs in the child that prepares."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simo2_core.data.archives import manual_folder, put_by_hand
from simo2_core.data.placement import disk_free, human_bytes
from simo2_core.errors import DataError

_ATTEMPTS = 4
_BLOCK = 1 << 14
"""Bytes read at once: what a broken connection loses at most."""
_LOOK_UP_SECONDS = 5.0


class DownloadFailed(DataError):
    """A file cannot be had from its host, so it has to be fetched by hand."""


@dataclass(eq=False)
class Downloads:
    """The files that a builder asks for.

    TFDS asks for all files of a data set before it waits for one, so by the time a failure comes back to it all
    are known, and one message can name everything that has to be fetched by hand.
    """

    folder: Path
    """`DATA_DIR/downloads`."""
    name: str
    """Of the data set."""
    known: Mapping[str, Any]
    """Size, checksum and file name of each URL, as TFDS ships them."""
    tell: Callable[[int, int], None]
    """Told bytes done and bytes in all (0 while unknown)."""
    all_needed: bool = False
    """Whether the data set needs all that is `known`, and not only some of it, as one config of several does."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _wanted: dict[str, int] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)
    _complete: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    _told: float = 0.0

    def want(self, url: str) -> None:
        """Notes that `url` will be downloaded; raises DataError when the disk is too small for all so far."""
        info = self.known.get(url)
        self._wanted[url] = int(info.size) if info else 0
        missing = sum(self._wanted.values()) - sum(self._done.values())
        if 2 * missing > disk_free(self.folder):  # the archive, and about as much again for what is made from it
            raise DataError(
                f"about {human_bytes(2 * missing)} are needed in {self.folder}, which has "
                f"{human_bytes(disk_free(self.folder))} free. Free some space, or choose another disk with --data-dir."
            )

    def fetch(self, url: str, folder: Path) -> Path:
        """Downloads `url` into `folder` under the name that its host gives it, going on where an earlier try ended.

        Raises:
            DownloadFailed: the host cannot be reached, has no such file, or sends another one than TFDS knows.
        """
        partial = self.folder / "partial" / hashlib.sha256(url.encode()).hexdigest()[:24]
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._look_up(url)
            name = self._try_hard(url, partial)
            self._check(url, partial)
        except DataError:
            with contextlib.suppress(OSError):
                folder.rmdir()  # TFDS has made it for this file alone
            raise
        target = folder / name
        partial.replace(target)
        self._complete.add(url)
        return target

    def _try_hard(self, url: str, partial: Path) -> str:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._transfer(url, partial)
            except OSError as error:  # requests' errors are OSErrors too
                if attempt == _ATTEMPTS or not _passing(error):
                    if _status(error) in (404, 410):
                        self._gone.add(url)
                    raise DownloadFailed(_in_words(url, error)) from None
                self.stopped.wait(attempt / 2)
        raise AssertionError("the last attempt returns or raises")

    def _look_up(self, url: str) -> None:
        """Asks for the host's address first: without a network the transfer itself would only fail after minutes."""
        import requests

        proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
        parts = urlsplit(proxy or url)
        found: queue.Queue[bool] = queue.Queue()

        def look_up() -> None:
            try:
                found.put(bool(socket.getaddrinfo(parts.hostname, parts.port or 443)))
            except OSError:
                found.put(False)

        threading.Thread(target=look_up, daemon=True).start()  # getaddrinfo itself has no time limit
        try:
            reached = found.get(timeout=_LOOK_UP_SECONDS)
        except queue.Empty:
            reached = False
        if not reached:
            raise DownloadFailed(f"cannot reach {parts.hostname}: no network, or no such host.")

    def _transfer(self, url: str, partial: Path) -> str:
        import requests
        from tensorflow_datasets.core.download import downloader

        have = partial.stat().st_size if partial.exists() else 0
        size = self._wanted.get(url, 0)
        headers = {"Range": f"bytes={have}-"} if have and have != size else {}
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as response:
            name = str(downloader._get_filename(response))
            if have and have == size:
                return name
            if response.status_code == 416:  # what is there is longer than the file: begin again
                partial.unlink()
                raise ConnectionError("the host refused to continue")
            response.raise_for_status()
            if response.status_code != 206:
                have = 0
            if not size:
                self._wanted[url] = have + int(response.headers.get("Content-Length", 0))
            with partial.open("r+b" if have else "wb") as file:
                file.seek(have)
                for block in response.iter_content(_BLOCK):
                    if self.stopped.is_set():
                        raise DataError("stopped.")
                    file.write(block)
                    have += len(block)
                    self._tell(url, have)
            if have < self._wanted[url]:
                raise ConnectionError("the connection broke")
        return name

    def _tell(self, url: str, done: int) -> None:
        self._done[url] = done
        now = time.monotonic()
        if now - self._told > 0.1 or done == self._wanted[url]:
            self._told = now
            self.tell(sum(self._done.values()), sum(self._wanted.values()))

    def _check(self, url: str, path: Path) -> None:
        info = self.known.get(url)
        if info is None:
            return
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        if checksum != info.checksum:
            size = path.stat().st_size
            path.unlink()
            raise DownloadFailed(
                f"{url} gave {human_bytes(size)} that are not the file TFDS knows ({human_bytes(int(info.size))}): its "
                "checksum differs. The transfer was damaged, or the file was replaced at its source; try once more."
            )

    def by_hand(self) -> str:
        """Which files to fetch elsewhere, and where to put them: all that are not here, asked for yet or not."""
        named = []
        for url in dict.fromkeys([*self._wanted, *(self.known if self.all_needed else ())]):
            info = self.known.get(url)
            if info is None or not info.filename or url in self._complete or self._is_here(info):
                continue
            file = f"{info.filename} ({human_bytes(int(info.size))})"
            gone = f" of which a copy has the SHA-256 {info.checksum}"
            named.append(file + (gone if url in self._gone else f" from {url}"))
        folder = manual_folder(self.folder, self.name)
        return (
            f"Or fetch elsewhere and put into {folder}: {'; '.join(named)}; then prepare again."
            if named
            else "Try again later."
        )

    def _is_here(self, info: Any) -> bool:
        """Whether the file was put there by hand."""
        return put_by_hand(self.folder, self.name, info) is not None


def _passing(error: OSError) -> bool:
    """Whether trying again may help."""
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return False
    if (status := _status(error)) is not None:
        return status >= 500
    return isinstance(error, requests.exceptions.RequestException | ConnectionError)


def _status(error: OSError) -> int | None:
    """The HTTP status that a host answered, where it did."""
    import requests

    if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
        return int(error.response.status_code)
    return None


def _in_words(url: str, error: OSError) -> str:
    import requests

    host = urlsplit(url).hostname
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not valid (expired?), so its file cannot be trusted."
    if (code := _status(error)) is not None:
        return f"{url} is {'gone' if code in (404, 410) else 'refused'} (HTTP {code})."
    if isinstance(error, requests.exceptions.RequestException | ConnectionError):
        return f"the download of {url} broke off {_ATTEMPTS} times; what came is kept, and preparing again goes on."
    return f"{url} cannot be stored: {error.strerror or error}."
