from pathlib import Path

import pytest

from simo2_core.cache_folder import cache_folder
from simo2_core.data.prepare import prepare
from simo2_core.data.sources.place import is_place
from simo2_core.data.sources.prepared import TfdsName, data_dirs, find_all
from simo2_core.errors import ConfigError, DataError, RunError
from simo2_core.paths import exists, is_dir, user_path
from simo2_core.run.directory import find_run


def test_a_tilde_is_the_home_folder_as_for_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~") == tmp_path
    assert user_path("~/runs") == tmp_path / "runs"
    assert user_path("a/~") == Path("a/~")
    assert user_path("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x"), "as a shell leaves it"
    assert user_path("[old]/$HOME") == Path("[old]/$HOME"), "nothing else is special"


def test_a_user_without_a_home_is_told_what_to_set_and_gets_no_folder_called_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container that runs under any number."""
    for variable in ("HOME", "XDG_CACHE_HOME", "SIMO2_CACHE", "TFDS_DATA_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="Set SIMO2_CACHE=/a/folder"):
        cache_folder("datasets")
    assert find_all(None) == []
    with pytest.raises(DataError, match="Give --data-dir, or set TFDS_DATA_DIR"):
        prepare(TfdsName.parse("cifar10"), None)
    assert list(tmp_path.iterdir()) == []


def test_every_way_into_the_core_takes_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SIMO2_CACHE", "~/cache")
    monkeypatch.setenv("TFDS_DATA_DIR", "~/tfds")
    assert cache_folder("datasets") == tmp_path / "cache" / "datasets"
    assert data_dirs(None)[0] == tmp_path / "tfds"
    assert data_dirs("~/sets") == [tmp_path / "sets"]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text("{}")
    assert find_run("~/one", tmp_path).path == tmp_path / "one"


@pytest.mark.parametrize("text", ["x" * 5000, "a\0b"])
def test_what_no_file_system_takes_is_not_there(text: str, tmp_path: Path) -> None:
    assert not exists(Path(text))
    assert not is_dir(Path(text))
    assert not is_place(text)
    with pytest.raises(RunError, match="is no run"):
        find_run(text, tmp_path)


def test_no_name_is_no_run_though_the_current_folder_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="a run is named ''"):
        find_run("", tmp_path)
    assert find_run(".", tmp_path).path == Path(), "the current folder has a name"
