"""`simo2 presets`: what can be trained on, and with which settings."""

from __future__ import annotations

import json

from simo2_core.first_settings import first_settings
from simo2_core.presets import PRESETS
from simo2_tui.cli.options import JsonOption


def presets_command(as_json: JsonOption = False) -> None:
    """List the presets: data set, sizes, settings, and what each needs."""
    rows = []
    for name, preset in PRESETS.items():
        config = first_settings(name, {}).config
        changes = [word for word in ("brightness", "contrast", "saturation", "flip", "shift") if config.get(word)]
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
                "recipe": preset.recipe,
            }
        )
    if as_json:
        for row in rows:
            print(json.dumps(row))
        print(json.dumps({"presets": len(rows)}))
        return

    _print_table(rows)


def _print_table(rows: list[dict[str, object]]) -> None:
    from rich.table import Table

    from simo2_tui.cli.printing import make_console

    console = make_console()
    wide = console.width >= 150  # below that, the two columns of prose go on a line of their own
    prose = ("augmentation", "needs", "recipe")
    columns = [column for column in rows[0] if wide or column not in prose]
    table = Table(title="Presets: simo2 train --preset NAME", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        right = column in ("classes", "train", "D", "k", "batch", "lr")
        table.add_column(column, justify="right" if right else "left", no_wrap=column not in prose)
    for row in rows:
        table.add_row(*(f"{row[column]:,}" if isinstance(row[column], int) else f"{row[column]}" for column in columns))
    console.print(table)
    if not wide:
        for row in rows:
            recipe = "" if row["recipe"] == "none" else f"; recipe {row['recipe']}"
            console.print(f"{row['name']}: {row['augmentation']}{recipe}; needs {row['needs']}")
