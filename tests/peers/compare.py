"""simo2's encoders against what `tests/peers/answers.py` heard: python -m tests.peers.compare /tmp/answers.json.xz."""

import json
import lzma
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import save_file

from simo2_core.compiling import jit
from simo2_core.model.network import Packing
from simo2_core.pretrained.recognise import read_encoder, recognise
from tests.peers.drawn import images_of, weights_of


def read_answers(path: Path) -> dict[str, Any]:
    """What `tests/peers/answers.py` wrote, by the name of the network."""
    return dict(json.loads(lzma.decompress(path.read_bytes())))


def write_weights(folder: Path, answer: Mapping[str, Any]) -> Path:
    """The file that a library would have written, and its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {name: tuple(shape) for name, shape in answer["shapes"].items()}
    save_file(
        {name: weights_of(name, shape) for name, shape in shapes.items() if 0 not in shape},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(answer["facts"]))
    return folder


def features_here(folder: Path, images: Any) -> Any:
    """What simo2 makes of normalised images (n, h, w, ch) with the weights in `folder`."""
    found = recognise(str(folder))
    network = nnx.eval_shape(lambda: found.encoder.build(found.channels, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(network)
    packing, expected = Packing.of(state)
    arrays = read_encoder(found, {path: value.shape for path, value in expected.items()})
    state = packing.state({path: jnp.asarray(value) for path, value in arrays.items()})
    return np.asarray(jit(lambda state, images: nnx.merge(graph, state)(images))(state, images))


def difference(folder: Path, name: str, answer: Mapping[str, Any]) -> float:
    """The largest difference of a feature, over the largest feature."""
    here, there = (
        features_here(write_weights(folder, answer), images_of(name, answer["side"])),
        np.asarray(answer["features"]),
    )
    assert here.shape == there.shape, (here.shape, there.shape)
    return float(np.abs(here - there).max() / np.abs(there).max())


def main(path: str) -> None:
    """Prints the difference of each network, and fails where one is over 1e-4."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, answer in read_answers(Path(path)).items():
            differs = difference(Path(folder) / name.replace(" ", "-"), name, answer)
            print(f"{name:<32} {differs:.1e}", flush=True)
            worst = max(worst, differs)
            jax.clear_caches()
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main(sys.argv[1])
