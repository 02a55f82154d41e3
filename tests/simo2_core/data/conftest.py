"""A cache of its own for each test, and image folders made of real files."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.simo2_core.data.pictures import MakeFolder, encoded, picture


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    path = tmp_path / "cache"
    monkeypatch.setenv("SIMO2_CACHE", str(path))
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Makes `root/CLASS/N.png` with `count` pictures for each class."""

    def make(
        classes: Iterable[str] = ("cat", "dog"), count: int = 6, root: str = "images", size: tuple[int, int] = (16, 16)
    ) -> Path:
        for number, name in enumerate(classes):
            folder = tmp_path / root / name
            folder.mkdir(parents=True)
            for index in range(count):
                (folder / f"{index}.png").write_bytes(encoded(picture(100 * number + index, size)))
        return tmp_path / root

    return make
