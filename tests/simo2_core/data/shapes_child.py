"""The child that prepares, knowing one more data set: `tiny_shapes`, downloaded from the test's own server.

Started with the archive's URL, its size and its checksum as arguments (a size of 0: TFDS knows none of them).
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow as tf

from simo2_core.data.prepare_child import main

__all__ = ["main"]

URL, SIZE, CHECKSUM = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """Images of two classes out of a zip file; half of them handed over as arrays, as many builders do."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = {URL: UrlInfo(tfds.core.utils.Size(SIZE), CHECKSUM, "shapes.zip")} if SIZE else {}

    def _info(self) -> Any:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["dark", "light"]),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(dl_manager.download_and_extract(URL))}

    def _generate_examples(self, folder: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in tf.io.gfile.listdir(folder):
            with tf.io.gfile.GFile(Path(folder) / name, "rb") as file:
                data = file.read()
            image = np.asarray(Image.open(io.BytesIO(data))) if name.startswith("a") else data
            yield name, {"image": image, "label": "light" if "light" in name else "dark"}
