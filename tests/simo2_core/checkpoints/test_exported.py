"""An encoder exported and read back: by the lines of the guide in plain NNX, and by `simo2_core.load_encoder`."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from simo2_core import load_encoder
from simo2_core.checkpoints.checkpoint import find_checkpoint, load
from simo2_core.checkpoints.exported import export_encoder, image_rule, read_exported
from simo2_core.config import Config
from simo2_core.data.decode import Rule, decode_image
from simo2_core.data.sources.digits import load_digits
from simo2_core.errors import CheckpointError, DataError, RunError
from simo2_core.evaluation.restore import untrained_encoder
from simo2_core.pretrained.recognise import recognise
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.session import with_init
from simo2_core.train.finetune import load_weights
from simo2_core.train.step import make_training
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

PAGE = Path(__file__).parents[3] / "simo2_tui" / "guide" / "export.md"
TINY = DIGITS.replace(QUIET | {"steps": 4, "learning_rate": 1e-2})


def trained(folder: Path, **changes: Any) -> Path:
    config = TINY.replace(changes)
    run = RunDirectory.create(folder, "one", config)
    list(record(train(config, run, Control(run.control), pictures=False), run, say=lambda _: None))
    return find_checkpoint(run.checkpoints)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs"))


def cropped(image: Image.Image) -> Any:
    """(1, 8, 8, 1) as a folder of images is decoded."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return decode_image(buffer.getvalue(), Rule(height=8, width=8, channels=1))[None]


def test_by_the_lines_of_the_guide(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = export_encoder(checkpoint, tmp_path / "encoder")
    assert facts["class_names"] == [str(digit) for digit in range(10)]
    (tmp_path / "photos").mkdir()
    images = load_digits()[0][:7]
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / "photos" / f"{number}.png")
    wide = Image.fromarray(np.arange(12 * 30, dtype=np.uint8).reshape(12, 30))  # as most photographs, not square
    wide.save(tmp_path / "photos" / "wide.png")
    images = np.concatenate([images, cropped(wide)])
    plain, ours = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[:2]
    monkeypatch.chdir(tmp_path)
    by_plain: dict[str, Any] = {}
    exec(plain, by_plain)
    by_ours: dict[str, Any] = {}
    exec(ours, by_ours)
    np.testing.assert_array_equal(by_plain["images"], images)
    np.testing.assert_array_equal(by_ours["images"], images)
    encoder = load_encoder(checkpoint)
    for found in (by_ours["features"], np.asarray(by_plain["representation"])):
        np.testing.assert_allclose(found, encoder.represent(images), rtol=1e-4, atol=1e-5)
    for found in (by_ours["embedding"], np.asarray(by_plain["embedding"])):
        np.testing.assert_allclose(found, encoder.embed(images), atol=1e-5)


def test_what_images_are_made_into_travels(checkpoint: Path, tmp_path: Path) -> None:
    config = TINY.replace({"resize": "pad", "background": "black", "depth": 12})
    rule = image_rule({"config": config.to_json(), "image_shape": [8, 6, 1]})
    assert Rule(**rule) == Rule(height=8, width=6, channels=1, resize="pad", background="black", depth=12)
    facts = export_encoder(checkpoint, tmp_path)
    assert facts["images"]["resize"] == "crop"
    (tmp_path / "encoder.json").write_text(json.dumps({key: facts[key] for key in facts if key != "images"}))
    Image.new("L", (30, 12), 77).save(tmp_path / "photo.png")
    assert load_encoder(tmp_path).read([tmp_path / "photo.png"]).shape == (1, 8, 8, 1)  # an export of before
    with pytest.raises(DataError, match=r"encoder\.json cannot be read: not an image"):
        load_encoder(tmp_path).read([tmp_path / "encoder.json"])
    with pytest.raises(DataError, match="gone cannot be opened"):
        load_encoder(tmp_path).read([tmp_path / "gone"])


def test_statistics_of_batch_norm_and_what_was_fitted_travel_too(tmp_path: Path) -> None:
    changes = {"encoder": "airbench", "groups": "8,8", "objective": "cross_entropy", "average": 0.9}
    checkpoint = trained(tmp_path / "runs", **changes)
    facts = export_encoder(checkpoint, tmp_path / "encoder")
    assert any(name.endswith(".mean") for name in facts["arrays"])
    assert facts["arrays"]["encoder.stem.kernel"] == [2, 2, 1, 8]
    arrays, _ = load(checkpoint)
    for loaded in (load_encoder(checkpoint), load_encoder(tmp_path / "encoder")):
        np.testing.assert_array_equal(loaded._params["head/kernel"], arrays["average/params/head/kernel"])
        mean = "encoder/block0/norm1/mean"
        np.testing.assert_array_equal(loaded._stats[mean], arrays[f"average/stats/{mean}"])
    assert not np.array_equal(arrays["params/encoder/stem/bias"], arrays["average/params/encoder/stem/bias"])
    assert not any("classifier" in name for name in facts["arrays"]), "the encoder travels, not the loss"
    ready, fresh = load_encoder(checkpoint), untrained_encoder(checkpoint)
    fitted = "encoder/stem/kernel"  # an average of what never moved may differ in the last bit
    np.testing.assert_allclose(ready._stats[fitted], fresh._stats[fitted], rtol=3e-7)
    np.testing.assert_array_equal(arrays[f"stats/{fitted}"], fresh._stats[fitted])
    images = load_digits()[0][:7]
    np.testing.assert_array_equal(
        load_encoder(tmp_path / "encoder").represent(images), load_encoder(checkpoint).represent(images)
    )


def test_an_export_goes_in_again_as_a_folder_as_a_file_and_alone(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    export_encoder(checkpoint, folder)
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((folder / "encoder.safetensors").read_bytes())
    arrays, meta = load(checkpoint)
    for text in (folder, folder / "encoder.safetensors", alone):
        config = with_init(Config().replace({"init": str(text), "average": 0.9}), tmp_path)
        assert config.model.encoder == TINY.model.encoder
        assert (config.data.image_size, config.data.channels) == (8, 1)
        np.testing.assert_allclose(config.data.mean, meta["mean"])
        state, told = load_weights(make_training(config, 10, (8, 8, 1))[1], str(config.tune.init), tmp_path)
        assert told.fresh == ()
        assert told.unused == ()
        for name in told.loaded:
            np.testing.assert_array_equal(state.params[name], arrays[f"params/{name}"], err_msg=name, strict=True)
        for name, value in state.params.items():
            begun = state.average["params"][name]
            np.testing.assert_array_equal(begun, value, err_msg="it begins with them, not with drawn ones")
            assert begun is not value, "a step writes over both"
    assert {"encoder/stem/kernel", "head/kernel"} <= set(told.loaded)
    _, told = load_weights(make_training(config.replace({"embedding_size": 5}), 10, (8, 8, 1))[1], str(alone), tmp_path)
    assert told.fresh == ("head/bias", "head/kernel")
    assert told.unused == ("head.bias", "head.kernel"), "a head of another size stays where it is, and is told"


def test_arrays_of_ours_that_nothing_describes_are_refused_with_what_helps(checkpoint: Path, tmp_path: Path) -> None:
    export_encoder(checkpoint, tmp_path)
    path = tmp_path / "encoder.safetensors"
    arrays = load_file(path)
    facts = json.loads((tmp_path / "encoder.json").read_text())
    del facts["sha256"]
    save_file(arrays, path)  # as exports of before 2026-11-29 are
    (tmp_path / "encoder.json").write_text(json.dumps(facts))
    assert recognise(str(tmp_path)).encoder == TINY.model.encoder
    for name, change, said in (
        ("torn", {"encoder.stem.kernel": arrays["encoder.stem.kernel"][..., :2]}, "encoder.stem.kernel is"),
        ("more", {"encoder.block9.bias": np.zeros(3, np.float32)}, "no yatcnn has encoder.block9.bias"),
        ("less", {"encoder.stem.kernel": None}, "has no stem/kernel"),
    ):
        left = {key: value for key, value in (arrays | change).items() if value is not None}
        save_file(left, tmp_path / name, metadata={"simo2": json.dumps(facts)})
        (tmp_path / name).rename(tmp_path / f"{name}.safetensors")
        config = with_init(TINY.replace({"init": str(tmp_path / f"{name}.safetensors")}), tmp_path)
        with pytest.raises(CheckpointError, match=re.escape(said)):
            load_weights(make_training(config, 10, (8, 8, 1))[1], str(config.tune.init), tmp_path)
    for written in ("[", "7", '{"format": 1}', '{"format": 9}'):
        save_file(arrays, tmp_path / "odd.safetensors", metadata={"simo2": written})
        with pytest.raises(CheckpointError, match=r"odd\.safetensors (is damaged|has format 9)") as caught:
            recognise(str(tmp_path / "odd.safetensors"))
        assert "\n" not in str(caught.value)
    (tmp_path / "encoder.json").unlink()
    with pytest.raises(CheckpointError, match=r"an encoder of simo2, and encoder\.json is not beside it"):
        recognise(str(tmp_path))


@pytest.mark.parametrize("damage", ["weights cut", "weights gone", "facts cut", "wider", "newer", "one mean too many"])
def test_what_is_damaged_is_one_line(checkpoint: Path, tmp_path: Path, damage: str) -> None:
    export_encoder(checkpoint, tmp_path)
    weights, path = tmp_path / "encoder.safetensors", tmp_path / "encoder.json"
    facts = json.loads(path.read_text())
    if damage == "weights cut":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif damage == "weights gone":
        weights.unlink()
    elif damage == "facts cut":
        path.write_text(path.read_text()[:50])
    else:
        facts["model"]["widths"] = [9] if damage == "wider" else [8]
        facts["format"] = 2 if damage == "newer" else 1
        facts["mean"] = [0.0] * (1 + (damage == "one mean too many"))
        path.write_text(json.dumps(facts))
    with pytest.raises(RunError) as caught:
        load_encoder(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("std", [0.0], "std is"), ("std", [1e-30], "std is"), ("std", [float("nan")], "std is"),
        ("std", "x", "could"), ("std", None, "std is"), ("mean", [1e300], "mean is"), ("mean", [-0.1], "mean is"),
        ("mean", [[0.1]], "mean is"),
        ("image_shape", [10**9, 8, 1], "two sides up to 16,384"), ("image_shape", [8, -1, 1], "two sides"),
        ("image_shape", [8, 8, 2], "1 or 3 channels"), ("image_shape", [10**400, 8, 1], "two sides"),
        ("image_shape", [8.5, 8, 1], "two sides"), ("image_shape", [8, 8], "unpack"),
        ("images", {"resize": "banana"}, "resize"), ("images", {"depth": 99}, "depth"), ("images", {"x": 1}, "'x'"),
        ("images", 7, "'int'"),
        ("sha256", "0" * 64, "has changed"),
        ("mean", ..., "it has no 'mean'"), ("model", ..., "it has no 'model'"),
    ],
)  # fmt: skip
def test_facts_that_no_encoder_has_are_refused(
    checkpoint: Path, tmp_path: Path, name: str, value: Any, said: str
) -> None:
    facts = export_encoder(checkpoint, tmp_path)
    facts = {key: given for key, given in {**facts, name: value}.items() if given is not ...}
    (tmp_path / "encoder.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match=re.escape(str(tmp_path))) as caught:
        read_exported(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_of_the_weights_is_noticed_where_there_is_a_checksum(checkpoint: Path, tmp_path: Path) -> None:
    facts = export_encoder(checkpoint, tmp_path)
    weights = bytearray((tmp_path / "encoder.safetensors").read_bytes())
    weights[-3] ^= 1
    (tmp_path / "encoder.safetensors").write_bytes(weights)
    with pytest.raises(RunError, match="has changed since it was written"):
        read_exported(tmp_path)
    del facts["sha256"]
    (tmp_path / "encoder.json").write_text(json.dumps(facts))
    assert read_exported(tmp_path)[1].keys() == {f"params/{name.replace('.', '/')}" for name in facts["arrays"]}
