"""k-nearest-neighbour classification: what an embedding is worth without training anything on top of it.

Shape letters: q queries, m rows of the bank, f features, k neighbours, c classes; n chunks of b bank rows.

The matrix of all queries against the whole bank is never built: queries go through in chunks, and for each of
them the bank is scanned in chunks with a running list of the k nearest. Every chunk is padded to one shape, so a
bank and a chunk size compile once, whatever the number of queries.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from simo2_core.compiling import jit
from simo2_core.errors import ConfigError, DataError, DivergedError

BANK_CHUNK = 16_384
"""Rows of the bank compared at once: with 512 queries a 32 MB tile, which still fills a GPU."""

_SMALLEST_CHUNK = 64
_BANK_STEP = 1024
"""The bank is padded to a multiple of this, so that a few rows more or less compile nothing new."""


def knn_predict(
    queries: NDArray[Any],
    bank: NDArray[Any],
    bank_labels: NDArray[Any],
    *,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 512,
) -> NDArray[np.int32]:
    """The class of each query by a weighted vote of its k nearest rows of the bank.

    Rows are L2-normalised in float32 (a row of zeros stays zero: cosine 0 with everything); each of the k nearest
    votes for its class with weight exp(cos / temperature). Among equally near rows the lower index is nearer, and
    among classes with equal votes the lowest wins. The protocol of Wu et al., "Unsupervised Feature Learning via
    Non-Parametric Instance Discrimination", 2018, arXiv 1805.01978.

    Args:
        queries: (q, f) any real dtype.
        bank: (m, f) any real dtype.
        bank_labels: (m,) integers in [0, classes).
        k: neighbours that vote; m when the bank has fewer rows.
        chunk: queries compared at once.

    Returns:
        (q,) int32 classes.

    Raises:
        DataError: shapes that do not fit, an empty bank, or labels out of range.
        DivergedError: features that are not finite.
        ConfigError: k, temperature or chunk out of range.
    """
    return np.asarray(
        knn_predict_each(queries, bank, bank_labels, classes=classes, ks=(k,), temperature=temperature, chunk=chunk)[0]
    )


def knn_predict_each(
    queries: NDArray[Any],
    bank: NDArray[Any],
    bank_labels: NDArray[Any],
    *,
    classes: int,
    ks: tuple[int, ...],
    temperature: float = 0.07,
    chunk: int = 512,
) -> NDArray[np.int32]:
    """What `knn_predict` finds for each of several k, with one search of the bank for all of them.

    Returns:
        (len(ks), q) int32 classes.

    Raises:
        As `knn_predict`.
    """
    _check(queries, bank, bank_labels, classes)
    if not ks or min(ks) < 1 or chunk < 1 or not 0 < temperature < float("inf"):
        raise ConfigError(
            f"k is {', '.join(map(str, ks))}, chunk {chunk}, temperature {temperature}; "
            "they must be at least 1, at least 1, and above 0."
        )
    if not len(queries):
        return np.zeros((len(ks), 0), np.int32)
    queries_qf, bank_mf = _unit_rows(queries, "queries"), _unit_rows(bank, "bank rows")
    bank_nbf, labels_nb = _cut_bank(bank_mf, np.asarray(bank_labels, np.int32))
    width = min(chunk, max(_SMALLEST_CHUNK, 1 << (len(queries) - 1).bit_length()))
    used = tuple(min(k, len(bank)) for k in ks)
    predicted = []
    for start in range(0, len(queries_qf), width):
        piece = queries_qf[start : start + width]
        padded = np.pad(piece, ((0, width - len(piece)), (0, 0)))
        votes = _compiled_vote()(padded, bank_nbf, labels_nb, len(bank), temperature, classes=classes, ks=used)
        predicted.append((votes, len(piece)))  # fetched after the last chunk is under way, so that none waits
    return np.concatenate([np.asarray(votes)[:, :size] for votes, size in predicted], axis=1)


def knn_accuracy(
    queries: NDArray[Any],
    query_labels: NDArray[Any],
    bank: NDArray[Any],
    bank_labels: NDArray[Any],
    *,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 512,
) -> float:
    """The share of queries, in [0, 1], whose class `knn_predict` finds.

    Args:
        query_labels: (q,) the true class of each query; the rest as for `knn_predict`.

    Raises:
        DataError: also when there are no queries, since no share of nothing is true.
    """
    if len(queries) == 0 or np.shape(query_labels) != (len(queries),):
        raise DataError(
            f"kNN got {len(queries)} queries with labels of shape {np.shape(query_labels)}; "
            "it needs at least one, each with its label."
        )
    predicted = knn_predict(queries, bank, bank_labels, classes=classes, k=k, temperature=temperature, chunk=chunk)
    return float(np.mean(predicted == np.asarray(query_labels)))


@cache
def _compiled_vote() -> Any:
    return jit(_vote, static_argnames=("classes", "ks"))


def _vote(
    queries_qf: Array,
    bank_nbf: Array,
    labels_nb: Array,
    rows: Array | int,
    temperature: Array | float,
    *,
    classes: int,
    ks: tuple[int, ...],
) -> Array:
    """(len(ks), q) int32 classes; bank rows from `rows` on are padding."""
    chunks, width, _ = bank_nbf.shape
    queries, k = queries_qf.shape[0], max(ks)

    def nearer(carry: tuple[Array, Array], chunk: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], None]:
        best_qk, label_qk = carry
        bank_bf, labels_b, start = chunk
        # "highest": a GPU would multiply in TF32, and 1e-3 of cosine is a weight of 1.4% at temperature 0.07
        cosine_qb = jnp.matmul(queries_qf, bank_bf.T, precision="highest")
        real_b = start + jnp.arange(width) < rows
        top_qk, index_qk = jax.lax.top_k(jnp.where(real_b[None, :], cosine_qb, -jnp.inf), min(k, width))
        # top_k keeps the order of equals, and the carry comes first: the lower row of the bank stays the nearer
        best, place = jax.lax.top_k(jnp.concatenate([best_qk, top_qk], axis=1), k)
        label = jnp.concatenate([label_qk, labels_b[index_qk]], axis=1)
        return (best, jnp.take_along_axis(label, place, axis=1)), None

    none_yet = (jnp.full((queries, k), -jnp.inf, jnp.float32), jnp.zeros((queries, k), jnp.int32))
    starts_n = jnp.arange(chunks) * width
    (cosine_qk, label_qk), _ = jax.lax.scan(nearer, none_yet, (bank_nbf, labels_nb, starts_n))

    # relative to the nearest, so that no temperature overflows float32; a common factor changes no vote
    weight_qk = jnp.exp((cosine_qk - cosine_qk[:, :1]) / temperature)

    def cast(votes_qc: Array, ballot: tuple[Array, Array]) -> tuple[Array, None]:
        label_q, weight_q = ballot
        return votes_qc.at[jnp.arange(queries), label_q].add(weight_q, unique_indices=True), None

    # one neighbour at a time: no index repeats, so the sum has one order on every device
    answers = []
    for first in ks:
        none_cast = jnp.zeros((queries, classes), jnp.float32)
        votes_qc, _ = jax.lax.scan(cast, none_cast, (label_qk[:, :first].T, weight_qk[:, :first].T))
        answers.append(jnp.argmax(votes_qc, axis=1).astype(jnp.int32))
    return jnp.stack(answers)


def _check(queries: NDArray[Any], bank: NDArray[Any], bank_labels: NDArray[Any], classes: int) -> None:
    shapes = f"queries {np.shape(queries)}, bank {np.shape(bank)}, bank labels {np.shape(bank_labels)}"
    if np.ndim(queries) != 2 or np.ndim(bank) != 2 or np.shape(queries)[1] != np.shape(bank)[1]:
        raise DataError(f"kNN got {shapes}; it needs (q, f), (m, f) and (m,).")
    if not len(bank) or np.shape(bank_labels) != (len(bank),):
        raise DataError(f"kNN got {shapes}; the bank needs at least one row, and each row its label.")
    low, high = int(np.min(bank_labels)), int(np.max(bank_labels))
    if low < 0 or high >= classes:
        raise DataError(
            f"bank labels run from {low} to {high}; with {classes} classes they must be 0 to {classes - 1}."
        )


def _unit_rows(rows: NDArray[Any], what: str) -> NDArray[np.float32]:
    """(n, f) rows of length 1; a row of zeros stays zero."""
    rows_nf = np.asarray(rows, np.float32)
    largest_n1 = np.max(np.abs(rows_nf), axis=1, keepdims=True, initial=0)
    if not np.isfinite(largest_n1).all():
        raise DivergedError(f"kNN got {what} that are not finite. Go back to an earlier checkpoint.")
    # the largest entry is divided out first: the square of a float32 of 1e20 or 1e-30 is no float32
    one = np.float32(1)
    scaled_nf = rows_nf / np.where(largest_n1 > 0, largest_n1, one)
    length_n1 = np.linalg.norm(scaled_nf, axis=1, keepdims=True)
    return np.asarray(scaled_nf / np.where(length_n1 > 0, length_n1, one), np.float32)


def _cut_bank(bank_mf: NDArray[np.float32], labels_m: NDArray[np.int32]) -> tuple[Array, Array]:
    """The bank on the device as (n, b, f) and its labels as (n, b), padded with zeros at the end."""
    rows, features = bank_mf.shape
    chunks = -(-rows // BANK_CHUNK)
    width = -(-rows // (chunks * _BANK_STEP)) * _BANK_STEP  # equal chunks: 50,000 rows pad by 6%, not by 31%
    missing = chunks * width - rows
    bank = np.pad(bank_mf, ((0, missing), (0, 0))).reshape(chunks, width, features)
    return jnp.asarray(bank), jnp.asarray(np.pad(labels_m, (0, missing)).reshape(chunks, width))
