import numpy as np
import pytest

from simo2_core.analysis.snapshot import read_snapshot, snapshot_steps
from simo2_core.errors import RunError
from simo2_core.run.directory import RunDirectory


def good(**changes):
    return {
        "embedding": np.eye(3, dtype=np.float32),
        "labels": np.arange(3, dtype=np.int32),
        "class_names": np.array(["one", "two", "drei"]),
        "step": np.int64(7),
        **changes,
    }


def test_reads_back_what_was_written(tmp_path):
    np.savez(tmp_path / "7.npz", **good())
    found = read_snapshot(tmp_path / "7.npz")
    np.testing.assert_array_equal(found.embedding, np.eye(3))
    assert (found.labels.tolist(), found.class_names, found.step) == ([0, 1, 2], ("one", "two", "drei"), 7)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, 1, 3])},
        {"labels": np.array([0, -1, 1])},
        {"labels": np.array([0, 1])},
        {"labels": np.array([0.0, 1.0, 2.0])},
        {"embedding": np.zeros(3, np.float32)},
        {"embedding": np.zeros((0, 3), np.float32), "labels": np.zeros(0, np.int32)},
        {"embedding": np.array([["a"], ["b"], ["c"]])},
        {"step": np.arange(2)},
    ],
)
def test_refuses_arrays_that_do_not_fit(tmp_path, changes):
    np.savez(tmp_path / "7.npz", **good(**changes))
    with pytest.raises(RunError, match="damaged"):
        read_snapshot(tmp_path / "7.npz")


def test_refuses_damage_and_runs_no_code(tmp_path):
    path = tmp_path / "7.npz"
    with pytest.raises(RunError, match="no snapshot"):
        read_snapshot(path)
    np.savez(path, **good())
    whole = path.read_bytes()
    for data in (b"", b"PK", whole[: len(whole) // 2], b"\x93NUMPY garbage", b"text"):
        path.write_bytes(data)
        with pytest.raises(RunError, match="damaged"):
            read_snapshot(path)
    np.savez(path, **good(class_names=np.array([Bomb()], dtype=object)))
    with pytest.raises(RunError, match="damaged"):
        read_snapshot(path)
    np.save(tmp_path / "8.npy", np.eye(3))
    with pytest.raises(RunError, match="damaged"):
        read_snapshot(tmp_path / "8.npy")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_lists_steps_in_the_order_of_numbers(tmp_path):
    run = RunDirectory(tmp_path)
    assert snapshot_steps(run) == []
    run.embeddings.mkdir()
    for name in ("10.npz", "9.npz", "100.npz", ".5.npz.tmp", "x.npz"):
        (run.embeddings / name).touch()
    assert snapshot_steps(run) == [9, 10, 100]
