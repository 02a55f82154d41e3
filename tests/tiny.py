"""The network and the batch that the runs of most tests share: what one test compiles, the next one finds compiled."""

from typing import Any

from simo2_core.presets import PRESETS

TINY: dict[str, Any] = {"widths": "8", "stem_width": 4, "samples_per_class": 3, "batch_size": 30}
QUIET: dict[str, Any] = {"eval_every": "never", "plot_every": "never", "checkpoint_every": "never"}
DIGITS = PRESETS["digits"].config.replace(TINY)


def options(settings: dict[str, Any]) -> list[str]:
    """The settings as they are typed."""
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
