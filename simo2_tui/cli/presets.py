"""`simo2 presets`: what can be trained on, and with which settings."""

from __future__ import annotations

import json

from simo2_core.presets import PRESETS
from simo2_tui.cli.options import JsonOption


def presets_command(as_json: JsonOption = False) -> None:
    """List the presets: data set, sizes, settings, and what each needs."""
    rows = []
    for name, preset in PRESETS.items():
        config, augment = preset.config, preset.config.augment
        changes = [word for word in ("brightness", "contrast", "saturation", "flip", "shift") if getattr(augment, word)]
        rows.append(
            {
                "name": name,
                "classes": preset.classes,
                "image": "x".join(map(str, preset.image_shape)),
                "train": preset.train_images,
                "D": config.model.embedding_size,
                "k": config.samples_per_class,
                "batch": config.classes_per_batch(preset.classes) * config.samples_per_class,
                "lr": config.optim.learning_rate,
                "augmentation": " ".join(changes) or "none",
                "needs": preset.needs,
            }
        )
    if as_json:
        for row in rows:
            print(json.dumps(row))
        print(json.dumps({"presets": len(rows)}))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(title="Presets: simo2 train --preset NAME", title_justify="left", header_style="bold")
    for column in rows[0]:
        table.add_column(column, justify="right" if column in ("classes", "train", "D", "k", "batch", "lr") else "left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else f"{value}" for value in row.values()))
    Console().print(table)
