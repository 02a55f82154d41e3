import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from simo2_core.analysis.geometry import procrustes_align
from simo2_tui.session import snapshot
from simo2_tui.session.snapshot import Projector, read_snapshot
from simo2_tui.session.tsne import Layouts, lay_out
from tests.simo2_tui.recorded import NAMES, embedding, write_run, write_snapshot


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path, upto=40)


def test_a_snapshot_is_read_back(run):
    found = read_snapshot(run.embeddings / "40.npz")
    assert found.step == 40
    assert found.class_names == NAMES
    assert found.z_nd.shape == (140, 16)
    assert found.similarity_cc.shape == (10, 10)
    first, second, value = found.confused_pairs(3)[0]
    assert {first, second} <= set(NAMES)
    assert -1 <= value <= 1
    assert found.cosines.same.sum() == 10 * 14 * 13 // 2


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


def laid_out(layouts, names, seconds=60.0):
    """Waits until all names are done, as a screen does that looks now and then."""
    end = time.monotonic() + seconds
    while layouts.count(names) < len(names):
        layouts.want(names)
        assert time.monotonic() < end, "not laid out in time"
        time.sleep(0.02)


def test_every_snapshot_is_laid_out_in_the_order_wanted_and_a_broken_one_stops_none(run):
    write_snapshot(run, 80, 0.5)
    (run.embeddings / "99.npz").write_bytes(b"no archive")
    names = ["embeddings/80.npz", "embeddings/99.npz", "embeddings/40.npz"]
    layouts = Layouts(run.path)
    laid_out(layouts, names)
    assert layouts.points(names[0]).shape == (140, 2)
    assert layouts.points(names[1]) is None
    assert layouts.reason(names[1])
    assert layouts.points(names[2]).shape == (140, 2)
    assert list(layouts._made) == [names[0], names[2]]
    before, after = layouts.points(names[0]), layouts.points(names[2])
    assert np.allclose(procrustes_align(after, before), after, atol=1e-6), "turned onto the one before it"
    process = layouts._process
    layouts.close()
    assert process.poll() is not None


def test_a_layout_whose_process_dies_fails_and_the_next_is_made(run):
    write_snapshot(run, 80, 0.5)
    names = ["embeddings/40.npz", "embeddings/80.npz"]
    layouts = Layouts(run.path)
    layouts.want(names)
    layouts._process.kill()
    layouts._process.wait()
    laid_out(layouts, names)
    assert layouts.points(names[0]) is None
    assert layouts.reason(names[0]) == "exit code -9"
    assert layouts.points(names[1]) is not None
    layouts.close()


def test_what_a_screen_waits_for_uses_one_thread(monkeypatch):
    seen = {}

    def asked(name, function):
        def call(*arguments, **options):
            seen[name] = max(pool["num_threads"] for pool in threadpool_info() if "numpy" in pool["filepath"])
            return function(*arguments, **options)

        return call

    for name in ("class_gram", "cosine_distributions", "pca_2d", "procrustes_align"):
        monkeypatch.setattr(snapshot, name, asked(name, getattr(snapshot, name)))
    z = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    shown = snapshot.ShownSnapshot(1, z, np.arange(40, dtype=np.int32) % 4, ("a", "b", "c", "d"))
    projector = snapshot.Projector()
    _ = shown.similarity_cc, shown.cosines, projector.project(z), projector.project(z)
    assert seen == dict.fromkeys(("class_gram", "cosine_distributions", "pca_2d", "procrustes_align"), 1)
