"""Pictures as PNG files, one kind a file: arrays in, a file out, whole or not at all. See `style` for the look."""

from __future__ import annotations

import os


def _import_matplotlib() -> None:
    """Imports it without the backend that a notebook asks for, which is not there outside of it.

    Everything here is drawn with Agg and asks for no other. What the user's own code wants is left as it was.
    """
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib  # noqa: F401
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted


_import_matplotlib()
