"""Settings that every test runs under; child processes inherit them."""

import os

# An accidental broadcast of (N,) against (N, M) is a bug that still gives numbers: refuse it everywhere.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.pop("SIMO2_DEBUG", None)
