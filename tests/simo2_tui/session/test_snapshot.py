import numpy as np
import pytest

from simo2_tui.session.snapshot import Projector, read_snapshot
from simo2_tui.session.tsne import TsneJob, lay_out
from tests.simo2_tui.recorded import NAMES, embedding, write_run, write_snapshot


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path, upto=40)


def test_a_snapshot_is_read_back(run):
    snapshot = read_snapshot(run.embeddings / "40.npz")
    assert snapshot.step == 40
    assert snapshot.class_names == NAMES
    assert snapshot.z_nd.shape == (140, 16)
    assert snapshot.similarity_cc.shape == (10, 10)
    first, second, value = snapshot.confused_pairs(3)[0]
    assert {first, second} <= set(NAMES)
    assert -1 <= value <= 1
    assert snapshot.cosines.same.sum() == 10 * 14 * 13 // 2


def test_a_missing_or_damaged_file_is_no_snapshot(tmp_path):
    assert read_snapshot(tmp_path / "none.npz") is None
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 torn")
    assert read_snapshot(tmp_path / "bad.npz") is None


def test_points_move_but_the_picture_does_not_turn():
    z, _ = embedding(0.9)
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(16, 16)))
    projector = Projector()
    before = projector.project(z)
    after = projector.project((z @ rotation).astype(np.float32))
    assert np.abs(after - before).max() < 1e-3


def test_an_embedding_with_nan_still_has_a_picture():
    z, _ = embedding(0.9)
    z[3] = np.nan
    assert np.isfinite(Projector().project(z)).all()


def test_tsne_has_a_place_for_every_image(run, tmp_path):
    lay_out(run.embeddings / "40.npz", tmp_path / "out.npy")
    points = np.load(tmp_path / "out.npy")
    assert points.shape == (140, 2)
    assert np.isfinite(points).all()


def test_a_failed_layout_says_why(tmp_path):
    job = TsneJob(tmp_path / "none.npz", "none")
    job._process.wait(30)
    assert job.done
    assert job.result() is None
    assert "FileNotFoundError" in job.reason


def test_a_cancelled_layout_leaves_nothing(run):
    write_snapshot(run, 80, 0.5)
    job = TsneJob(run.embeddings / "80.npz", "x")
    job.cancel()
    assert job.done
