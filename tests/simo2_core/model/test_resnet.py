import jax
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.config import ModelConfig
from simo2_core.encoders.airbench import Airbench
from simo2_core.encoders.resnet18 import ResNet18
from simo2_core.encoders.yatcnn import PlainCNN, YatCNN
from simo2_core.model.build import build_model
from simo2_core.model.network import Network
from simo2_core.model.resnet import ResNetEncoder, norm_groups

IMAGES = np.float32(np.random.default_rng(0).normal(size=(6, 9, 8, 3)))
KEYS = jax.random.split(jax.random.key(0), 6)


def test_it_is_the_published_network():
    model = nnx.eval_shape(lambda: build_model(ModelConfig(encoder=ResNet18(norm="batch")), 3, jax.random.key(0)))
    weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model.encoder, nnx.Param)))
    assert weights == 11_168_832  # that of the reference network for CIFAR, less its classifier
    assert model.encoder.count == 8


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_only_batch_norm_depends_on_the_batch_and_remembers_it(norm):
    config = ModelConfig(encoder=ResNet18(widths=(16, 32), norm=norm), embedding_size=4)
    network, params, stats = Network.build(config, 3, jax.random.key(0))
    train = jit(network.train)
    whole, _, after = train(params, stats, IMAGES, KEYS)
    half, _, _ = train(params, stats, np.concatenate([IMAGES[:3]] * 2), KEYS)
    assert np.allclose(whole[:3], half[:3], atol=1e-4) == (norm == "group")
    moved = [name for name in stats if not np.array_equal(stats[name], after[name])]
    assert bool(moved) == (norm == "batch")
    representation, embedding = jit(network.infer)(params, after, IMAGES)
    assert representation.shape == (6, 32)
    assert embedding.shape == (6, 4)


def test_an_image_is_inferred_alone_with_batch_norm():
    encoder = ResNetEncoder(3, (8, 16), "batch", rngs=nnx.Rngs(0))
    infer = jit(lambda x: encoder(x))
    np.testing.assert_allclose(infer(IMAGES)[:2], infer(IMAGES[:2]), rtol=1e-4, atol=1e-5)


def test_the_twin_has_the_weights_of_yatcnn_less_its_scales():
    def sizes(encoder):
        config = ModelConfig(encoder=encoder(stem_width=4, widths=(6, 8)))
        state = nnx.state(nnx.eval_shape(lambda: build_model(config, 3, jax.random.key(0))), nnx.Param)
        return {jax.tree_util.keystr(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(state)}

    ours, twin = sizes(YatCNN), sizes(PlainCNN)
    kernels = {path for path in ours if "alpha" not in path}
    assert {path: ours[path] for path in kernels} == {path: twin[path] for path in kernels}
    assert {path for path in set(twin) - kernels if "yat" not in path and "stem" not in path} == set()


@pytest.mark.parametrize("encoder", [ResNet18(widths=(24, 50)), Airbench(groups=(24, 50), group_norm="group")])
def test_group_norm_divides_any_width(encoder):
    model = nnx.eval_shape(lambda: build_model(ModelConfig(encoder=encoder), 3, jax.random.key(0)))
    norms = [module for _, module in nnx.iter_modules(model) if isinstance(module, nnx.GroupNorm)]
    assert {(norm.scale.shape[-1], norm.num_groups) for norm in norms} == {(24, 1), (50, 2)}
    assert [norm_groups(features) for features in (8, 16, 64, 512)] == [1, 1, 4, 32]
