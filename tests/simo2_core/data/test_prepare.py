"""Preparing a TFDS data set in a child: downloads that resume, failures in plain words, nothing half done."""

import errno
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from simo2_core.data import prepare_child, tfds_without_tf
from simo2_core.data.cache import cache_root
from simo2_core.data.decode import Rule, decode_image
from simo2_core.data.download import Downloads, _in_words
from simo2_core.data.load import load_dataset
from simo2_core.data.prepare import find_or_prepare, prepare
from simo2_core.data.progress import Progress
from simo2_core.data.sources.open import open_source
from simo2_core.data.sources.prepared import Prepared, TfdsName
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError


def archive(padding: int = 0) -> bytes:
    """A zip file of ten flat images, with `padding` bytes beside them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for index in range(10):
            image = io.BytesIO()
            Image.new("RGB", (8, 8), (200, 200, 200) if index % 2 else (20, 20, 20)).save(image, "PNG")
            file.writestr(f"{'ab'[index // 5]}{index}-{'light' if index % 2 else 'dark'}.png", image.getvalue())
        if padding:
            file.comment = bytes(min(padding, 65_535))
    return buffer.getvalue()


@dataclass
class Site:
    """What the server on `url` sends, and what it was asked."""

    data: bytes
    url: str = ""
    status: int = 200
    break_after: int | None = None
    """Bytes after which the next answer alone breaks off."""
    delay: float = 0.0
    """Seconds between blocks of 1,000 bytes."""
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server with one file, which can be asked for the rest of it."""
    site = Site(archive(60_000))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.ranges.append(self.headers["Range"])
            begin = int(self.headers["Range"][6:-1]) if self.headers["Range"] else 0
            self.send_response(206 if begin and site.status == 200 else site.status)
            self.send_header("Content-Length", str(len(site.data) - begin))
            self.end_headers()
            end = len(site.data) if site.break_after is None else site.break_after
            site.break_after = None
            try:
                for position in range(begin, end, 1000):
                    self.wfile.write(site.data[position : min(position + 1000, end)])
                    time.sleep(site.delay)
            except OSError:
                pass  # the client has gone: that is what the test wants

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}/shapes.zip"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield site
    server.shutdown()
    server.server_close()


def run(site: Site, data_dir: Path, report: object = None, *, url: str = "", known: bytes | None = None) -> Prepared:
    """Prepares `tiny_shapes` from `site`; `known` is the archive whose checksum TFDS is told."""
    known = site.data if known is None else known
    child = [sys.executable, "-c", "from tests.simo2_core.data.shapes_child import main; main()", url or site.url]
    child += [str(len(known)), hashlib.sha256(known).hexdigest()]
    seen = report or (lambda _: None)
    return prepare(TfdsName.parse("tiny_shapes"), str(data_dir), report=seen, child=child)  # type: ignore[arg-type]


def test_a_data_set_is_downloaded_prepared_and_loaded(site: Site, tmp_path: Path) -> None:
    seen: list[Progress] = []
    prepared = run(site, tmp_path, seen.append)
    assert (prepared.full_name, prepared.format, prepared.splits) == ("tiny_shapes", "array_record", {"train": 10})
    downloads = [item for item in seen if item.stage == "download"]
    assert (downloads[-1].done, downloads[-1].total, downloads[-1].unit) == (len(site.data), len(site.data), "bytes")
    assert any(item.stage == "generate" for item in seen)
    data = load_dataset(DataConfig(dataset="tiny_shapes", data_dir=str(tmp_path)))
    assert data.class_names == ("dark", "light")
    assert data.train.images.mean(axis=(1, 2, 3)).tolist() == [20] * 5 + [200] * 5
    assert run(site, tmp_path).path == prepared.path
    assert len(site.ranges) == 1  # the second time nothing was asked for


def test_a_broken_transfer_goes_on_where_it_ended(site: Site, tmp_path: Path) -> None:
    site.break_after = 40_000
    assert run(site, tmp_path).splits == {"train": 10}
    assert site.ranges == [None, "bytes=32768-"]  # two blocks had arrived whole


def test_stopping_keeps_what_came_and_the_next_run_continues(site: Site, tmp_path: Path) -> None:
    site.delay = 0.02

    def stop(progress: Progress) -> None:
        if progress.stage == "download" and progress.done >= 16384:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(site, tmp_path, stop)
    assert time.monotonic() - began < 30
    assert not list(tmp_path.glob("tiny_shapes/*incomplete*"))
    site.delay = 0
    assert run(site, tmp_path).splits == {"train": 10}
    assert site.ranges[0] is None
    assert int(str(site.ranges[1])[6:-1]) >= 16384


def test_another_file_than_tfds_knows_is_refused_in_plain_words(site: Site, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"its checksum differs.*try once more\. Or fetch elsewhere and put into .*shapes\.zip"
    ):
        run(site, tmp_path, known=b"another file")


def test_a_file_put_there_by_hand_is_used_and_verified(site: Site, tmp_path: Path) -> None:
    manual = tmp_path / "downloads" / "manual" / "tiny_shapes"
    manual.mkdir(parents=True)
    (manual / "shapes.zip").write_bytes(b"another file")
    with pytest.raises(
        DataError, match=r"manual/tiny_shapes/shapes\.zip is not the one TFDS knows: its checksum differs\. Delete"
    ):
        run(site, tmp_path)
    (manual / "shapes.zip").write_bytes(site.data)
    assert run(site, tmp_path).splits == {"train": 10}
    assert not site.ranges


def test_an_archive_that_is_cut_short_is_said_to_be(site: Site, tmp_path: Path) -> None:
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "shapes.zip").write_bytes(site.data[:1000])
    with pytest.raises(DataError, match=r"archive of tiny_shapes in .* is damaged or incomplete .*simo2 data info"):
        run(site, tmp_path, known=site.data[:1000])


def test_a_file_that_is_gone_is_said_at_once(site: Site, tmp_path: Path) -> None:
    site.status = 404
    with pytest.raises(
        DataError,
        match=r"is gone \(HTTP 404\)\. Or fetch elsewhere and put into .*manual/tiny_shapes: "
        r"shapes\.zip \(.* kB\) of which a copy has the SHA-256 [0-9a-f]{64}; then",
    ):
        run(site, tmp_path)
    assert len(site.ranges) == 1
    assert not list(tmp_path.rglob("*.tmp.*"))


def test_offline_is_said_at_once_with_what_to_fetch(site: Site, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(
        DataError, match=r"cannot reach no-such-host\.invalid: no network.*manual/tiny_shapes: shapes\.zip"
    ):
        run(site, tmp_path, url="http://no-such-host.invalid/shapes.zip")
    assert time.monotonic() - began < 30  # TFDS alone needs 205 s


def test_a_real_data_set_offline_names_its_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://no-such-proxy.invalid:1")
    with pytest.raises(DataError) as caught:
        find_or_prepare("mnist", str(tmp_path))
    for name in ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "(9.9 MB)", "downloads/manual/mnist"):
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar-10", r"Did you mean cifar10 or cifar100"),
        ("emnist/balancd", r"no config 'balancd'\. Did you mean balanced"),
        ("imagenet2012", r"ILSVRC2012_img_train\.tar and ILSVRC2012_img_val\.tar in .*downloads/manual"),
        ("cifar10:0.0.1", r"TFDS cannot prepare cifar10:0\.0\.1"),
        ("no such thing", r"neither a folder nor a data set's name"),
    ],
)
def test_what_cannot_be_prepared_says_why(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(DataConfig(dataset=name, data_dir=str(tmp_path)))


def test_a_full_disk_is_told_from_a_damaged_archive(tmp_path: Path) -> None:
    from tensorflow_datasets.core.download.extractor import ExtractError

    downloads = Downloads(tmp_path / "downloads", "mnist", {}, lambda *_: None)
    for number, said in ((errno.ENOSPC, "no room left in"), (errno.EACCES, "cannot be written"), (None, "is damaged")):
        error = ExtractError("Error while extracting")
        error.__cause__ = EOFError() if number is None else OSError(number, "")
        told = prepare_child._in_words(SimpleNamespace(name="mnist"), downloads, error)
        assert said in str(told)
        assert str(tmp_path) in str(told)


def test_a_builder_leaves_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepare_child.find_builder("mnist", tmp_path / "shelf")
    with pytest.raises(DataError, match="cannot prepare"):
        prepare_child.find_builder("mnist:77.0.0", tmp_path / "shelf")
    assert list(tmp_path.iterdir()) == []
    assert tempfile.tempdir == str(tmp_path)


def test_all_files_of_a_data_set_are_named_though_it_asks_for_one_after_the_other(tmp_path: Path) -> None:
    infos = prepare_child.find_builder("stanford_dogs", tmp_path).url_infos
    urls = {url.rsplit("/", 1)[-1]: url for url in infos}
    downloads = Downloads(tmp_path / "downloads", "stanford_dogs", infos, lambda *_: None, all_needed=True)
    downloads.want(urls["images.tar"])
    told = downloads.by_hand()
    for name in ("images.tar (794 MB) from http", "lists.tar", "annotation.tar", "manual/stanford_dogs: "):
        assert name in told
    (tmp_path / "downloads" / "manual" / "stanford_dogs").mkdir(parents=True)
    (tmp_path / "downloads" / "manual" / "stanford_dogs" / "lists.tar").touch()
    assert "lists.tar" not in downloads.by_hand()


def test_an_array_file_is_read_after_tfds_has_closed_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", images=np.arange(6), labels=np.ones(2))
    (tmp_path / "lines").write_bytes(b"one\ntwo\n")
    with tfds_without_tf._open(tmp_path / "arrays.npz", "rb") as file:
        arrays = np.load(file)
    assert arrays["images"].tolist() == [0, 1, 2, 3, 4, 5]
    assert arrays["labels"].sum() == 2
    arrays.close()
    with tfds_without_tf._open(tmp_path / "lines", "rb") as file:
        assert next(iter(file)) == b"one\n"
    assert file.read() == b"two\n"
    file.close()


def test_an_invalid_certificate_is_named_as_such() -> None:
    import requests

    assert "certificate of madm.dfki.de" in _in_words("http://madm.dfki.de/x.zip", requests.exceptions.SSLError())


def test_a_lock_that_is_a_link_is_refused_and_not_followed(tmp_path: Path) -> None:
    precious, locks = tmp_path / "precious", cache_root() / "locks"
    precious.write_text("mine")
    locks.mkdir(parents=True)
    (locks / "prepare-x").symlink_to(precious)
    with pytest.raises(DataError, match="prepare-x cannot be made"):
        prepare(TfdsName.parse("x"), str(tmp_path / "shelf"))
    assert precious.read_text() == "mine"


def test_a_child_that_dies_is_reported(tmp_path: Path) -> None:
    script = "import os, sys; print('out of luck', file=sys.stderr); sys.stderr.flush(); os.kill(os.getpid(), 9)"
    with pytest.raises(DataError, match=r"signal 9.*out of luck"):
        prepare(TfdsName.parse("x"), str(tmp_path), child=[sys.executable, "-c", script])


WITHOUT_TENSORFLOW = """
import json, sys
from pathlib import Path
import numpy as np
from simo2_core.data.tfds_without_tf import install
from simo2_core.presets import PRESETS
from tests.simo2_core.data.tiny_tfds import prepare_tiny
assert install()
for name, preset in PRESETS.items():
    if name != "digits":
        sizes = {split: 1 for split in preset.splits}
        prepare_tiny(preset.config.data.dataset, Path(sys.argv[1]), sizes,
                     image=lambda label, shape, format: np.full(shape, label % 251, np.uint8))
assert "tensorflow" not in sys.modules
"""


def test_every_preset_is_written_from_arrays_without_tensorflow(tmp_path: Path) -> None:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    config = DataConfig(dataset="oxford_iiit_pet", data_dir=str(tmp_path), image_size=16, channels=3)
    split = open_source(config).split("train")
    data = next(split.records.take(split.labels.argsort()[30:31]).images())
    assert isinstance(data, bytes)
    assert abs(decode_image(data, Rule(height=16, width=16, channels=3)).mean() - 30) < 2


def test_this_tfds_is_one_that_is_proven() -> None:
    import tensorflow_datasets as tfds

    assert tfds.__version__ in tfds_without_tf.PROVEN
