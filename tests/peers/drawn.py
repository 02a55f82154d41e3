"""Weights and images that two programs make alike without sharing a file: drawn from the name of an array alone."""

import zlib

import numpy as np
from numpy.typing import NDArray


def weights_of(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array as a network in use has it: outputs stay of one size, and no term of the network vanishes."""
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    normal = draw.standard_normal(shape)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.float32)
    if name.endswith("running_var"):
        return draw.uniform(0.5, 1.5, shape).astype(np.float32)
    if any(word in name for word in ("gamma", "scale", "lambda1")):
        return (0.5 + 0.1 * normal).astype(np.float32)
    if len(shape) == 1 and name.endswith("weight"):  # of a norm
        return (1 + 0.1 * normal).astype(np.float32)
    if len(shape) >= 2 and name.endswith("weight"):
        return (normal / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    return (0.2 * normal).astype(np.float32)


def images_of(name: str, side: int, channels: int = 3) -> NDArray[np.float32]:
    """Two normalised images, (2, side, side, channels)."""
    draw = np.random.default_rng(zlib.crc32(f"images of {name}".encode()))
    return draw.standard_normal((2, side, side, channels)).astype(np.float32)
