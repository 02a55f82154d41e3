from pathlib import Path

import pytest
from PIL import Image

from simo2_core.data import small_photographs
from simo2_core.data.small_photographs import are_small_photographs


def folder(root: Path, *, size: tuple[int, int] = (32, 32), mode: str = "RGB", each: int = 3) -> str:
    """Two classes under `train/`."""
    for name in ("cat", "dog"):
        (root / "train" / name).mkdir(parents=True)
        for index in range(each):
            Image.new(mode, size).save(root / "train" / name / f"{index}.png")
    return str(root)


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_photographs, "MANY", 6)


def test_many_small_colour_images_in_folders_of_classes_are_told(tmp_path: Path) -> None:
    assert are_small_photographs(folder(tmp_path / "photos"))
    assert are_small_photographs(str(tmp_path / "photos" / "train"))


@pytest.mark.parametrize("changes", [{"size": (96, 96)}, {"size": (16, 16)}, {"mode": "L"}, {"each": 2}])
def test_others_are_not(tmp_path: Path, changes: dict[str, object]) -> None:
    assert not are_small_photographs(folder(tmp_path, **changes))  # type: ignore[arg-type]


def test_what_is_no_such_folder_is_nobodys_error(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("no image")
    for what in ("cifar10", "hf:mnist", str(tmp_path / "gone"), str(tmp_path), str(tmp_path / "one.txt")):
        assert not are_small_photographs(what)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(9):
            (tmp_path / name / f"{index}.jpg").write_text("no image")
    assert not are_small_photographs(str(tmp_path))
