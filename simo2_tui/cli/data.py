"""`simo2 data`: what is on disk, what it takes to get the rest, and getting it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.errors import DataError, did_you_mean
from simo2_core.paths import user_path
from simo2_core.presets import PRESETS
from simo2_tui.cli.command import App
from simo2_tui.cli.data_progress import DataProgress
from simo2_tui.cli.options import with_settings
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.data.catalogue import Description
    from simo2_core.data.dataset import Dataset
    from simo2_core.data_config import DataConfig

app = App(no_args_is_help=True, help="List, prepare, verify and clear data sets.")

DataDirOption = Annotated[
    str | None,
    typer.Option("--data-dir", help="Where TFDS data sets live (default: TFDS_DATA_DIR or ~/tensorflow_datasets)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines; the last one is the result.")]
ImageKeyOption = Annotated[
    str | None, typer.Option("--image-key", help="The image: a feature, column or array, where there are several.")
]
LabelKeyOption = Annotated[
    str | None, typer.Option("--label-key", help="The label: a feature, column or array, where there are several.")
]
NAMES_HELP = "Presets, TFDS names (name[/config]), or image folders."


@app.command("list")
def list_command(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the data sets: presets first, then whatever else is on disk."""
    from simo2_core.data.catalogue import decoded
    from simo2_core.data.sources.prepared import find_all

    on_disk: dict[str, list[str]] = {}
    for prepared in find_all(data_dir):
        on_disk.setdefault(prepared.full_name, []).append(f"{prepared.version} {prepared.format}")
    cached: dict[str, int] = {}
    for entry in decoded():
        cached[entry.name] = cached.get(entry.name, 0) + entry.bytes
    presets = {preset.config.data.dataset: name for name, preset in PRESETS.items()}
    rows = [
        _Row(presets.get(dataset, ""), dataset, tuple(on_disk.get(dataset, ())), cached.get(dataset, 0))
        for dataset in dict.fromkeys([*presets, *on_disk, *cached])
    ]
    cache = _cache_facts()
    if as_json:
        _print_json(*(row.facts() for row in rows), {"datasets": len(rows), "cache": cache})
        return
    _print_table(
        "Data sets: simo2 data info NAME, simo2 data prepare NAME",
        ("name", "classes", "image", "train", "on disk", "decoded", "download"),
        [row.cells() for row in rows],
    )
    for line in _cache_lines(cache):
        print_visible(line)


def _cache_facts() -> dict[str, Any]:
    """What the cache of decoded images takes, may take, and holds that nobody needs."""
    from simo2_core.data.cache import cache_root
    from simo2_core.data.upkeep import found_out, size_limit, stored

    items = stored()
    taken = sum(item.bytes for item in items)
    kinds = {
        "unfinished": [item for item in items if item.unfinished],
        "damaged": [item for item in items if not item.unfinished and not item.key],
        "folder_gone": [item for item in items if not item.unfinished and item.folder_gone],
    }
    beside = found_out()
    return {
        "path": str(cache_root()),
        "bytes": taken,
        "found_out": {"count": len(beside), "bytes": sum(item.bytes for item in beside)},
        "limit": size_limit(taken),
        "entries": sum(not item.unfinished for item in items),
        **{kind: {"count": len(found), "bytes": sum(i.bytes for i in found)} for kind, found in kinds.items()},
    }


def _cache_lines(cache: dict[str, Any]) -> Iterable[str]:
    from simo2_core.data.placement import human_bytes
    from simo2_core.data.upkeep import SIZE_VARIABLE

    yield (
        f"decoded: {cache['entries']} splits, {human_bytes(cache['bytes'])} of at most {human_bytes(cache['limit'])} "
        f"({SIZE_VARIABLE}), in {cache['path']}. Those used longest ago make room for new ones."
    )
    words = {
        "unfinished": "not finished",
        "damaged": "damaged",
        "folder_gone": "of folders that are gone",
        "found_out": "indices, of shards and of images that are decoded as needed",
    }
    for kind, what in words.items():
        if cache[kind]["count"]:
            size = human_bytes(cache[kind]["bytes"])
            yield f"  {cache[kind]['count']} {what}, {size}: simo2 data clear"


@dataclasses.dataclass(frozen=True)
class _Row:
    """One data set of the list."""

    preset: str
    dataset: str
    versions: tuple[str, ...]
    """Version and format of each prepared copy."""
    decoded_bytes: int

    def facts(self) -> dict[str, Any]:
        """For `--json`."""
        preset = PRESETS.get(self.preset)
        return {
            "name": self.preset or self.dataset,
            "dataset": self.dataset,
            "versions": self.versions,
            "decoded_bytes": self.decoded_bytes,
            "classes": preset.classes if preset else None,
            "image_shape": preset.image_shape if preset else None,
            "train": preset.train_images if preset else None,
            "test": preset.test_images if preset else None,
            "needs": preset.needs if preset and not self.versions else "",
        }

    def cells(self) -> tuple[str, ...]:
        """For people."""
        from simo2_core.data.placement import human_bytes

        preset = PRESETS.get(self.preset)
        state = "built in" if self.dataset == "digits" else ", ".join(self.versions) or "no"
        download = ""
        if preset and state == "no":
            download = human_bytes(preset.download_bytes) if preset.download_bytes else "by hand"
        return (
            self.preset or self.dataset,
            str(preset.classes) if preset else "",
            "x".join(map(str, preset.image_shape)) if preset else "",
            f"{preset.train_images:,}" if preset else "",
            state,
            human_bytes(self.decoded_bytes) if self.decoded_bytes else "",
            download,
        )


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A preset, a TFDS name, an image folder, or a file of labelled images.")],
    data_dir: DataDirOption = None,
    image_key: ImageKeyOption = None,
    label_key: LabelKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a data set is, what is on disk of it, and what it would download."""
    from simo2_core.data.catalogue import describe

    description = describe(_config(name, data_dir).dataset, data_dir, image_key, label_key)
    if as_json:
        _print_json(dataclasses.asdict(description))
        return
    for line in _info_lines(name, description):
        print_visible(line)


def _prepare(
    names: Annotated[list[str], typer.Argument(help=NAMES_HELP)],
    *,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    settings: Mapping[str, Any],
) -> None:
    """Download what is missing, write it, and decode it into the cache, so that training starts at once.

    Give the settings that you will train with: they decide what is decoded. Ctrl+C stops; what was downloaded is kept,
    and preparing again goes on from there. Exit code 4: there was no room for the decoded images.
    """
    from simo2_core.config import Config
    from simo2_core.data.load import load_dataset
    from simo2_core.data.sources.open import claimant

    lost = False
    bases = [dataclasses.replace(Config(), data=_config(name, data_dir)) for name in names]
    configs = [base.replace(settings).images for base in bases]
    for config in configs:
        claimant(config).is_on_disk(config)  # what cannot be a name is refused before the first download
    for name, config in zip(names, configs, strict=True):
        with DataProgress(quiet=as_json) as progress:
            dataset = load_dataset(config, report=progress.report)
        needed = _not_kept(dataset)
        lost = lost or needed > 0
        if as_json:
            _print_json(_prepared_facts(name, dataset) | {"kept": not needed})
            continue
        for line in _prepared_lines(name, dataset, needed):
            print_visible(line)
    if lost:
        raise typer.Exit(DataError.exit_code)


app.command("prepare")(with_settings(_prepare, section="data", without=("dataset",)))


def _not_kept(dataset: Dataset) -> int:
    """Bytes of decoded images that are not in the cache, since they did not fit."""
    from simo2_core.data.on_demand import OnDemandImages

    parts = [*dataset.parts.values(), *([dataset.views] if dataset.views else [])]
    images = {id(part.images): part.images for part in parts}
    return sum(item.nbytes for item in images.values() if isinstance(item, OnDemandImages))


def _prepared_facts(name: str, dataset: Dataset) -> dict[str, Any]:
    parts = {part: len(rows) for part, rows in dataset.parts.items()}
    shape = "x".join(map(str, dataset.image_shape))
    said = {name: [dataclasses.asdict(item) for item in getattr(dataset, name)] for name in ("skipped", "notes")}
    return {"name": name, "image": shape, "classes": len(dataset.class_names), **parts, **said}


def _prepared_lines(name: str, dataset: Dataset, needed: int) -> Iterable[str]:
    from simo2_core.data.cache import cache_root
    from simo2_core.data.placement import disk_free, human_bytes

    facts = _prepared_facts(name, dataset)
    sizes = ", ".join(f"{part} {facts[part]:,}" for part in dataset.parts)
    contents = f"{facts['classes']} classes, {facts['image']}, {sizes}."
    if needed:
        yield (
            f"{name}: not kept. {human_bytes(needed)} of decoded images do not fit into {cache_root()} "
            f"({human_bytes(disk_free(cache_root()))} free), so training will decode them as it goes: {contents}"
        )
    else:
        yield f"{name}: ready. {contents}"
    for note in dataset.notes:
        yield f"  {note.message} {note.cure}".rstrip()
    if dataset.skipped:
        yield f"  {len(dataset.skipped)} files cannot be read and are left out:"
        for item in dataset.skipped:
            yield f"    {item.name}: {item.reason}"


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help=f"{NAMES_HELP} By default everything on disk.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read what is prepared, what is decoded and what it was decoded from, and compare it with what was written.

    Decoded images that are damaged, or not those of their source any more, are removed: the next use decodes anew.
    Exit code 4: something is damaged.
    """
    from simo2_core.data.cache import entry_key
    from simo2_core.data.sources.prepared import find_all
    from simo2_core.data.upkeep import list_entries
    from simo2_core.data.verify import Verified, verify_entry, verify_prepared

    wanted = _datasets(names, data_dir)
    checked: list[Verified] = []
    with DataProgress(quiet=as_json) as progress:
        for prepared in find_all(data_dir):
            if not wanted or prepared.full_name in wanted:
                problems = tuple(verify_prepared(prepared, progress.report))
                checked.append(Verified(f"{prepared.full_name} {prepared.version}", prepared.path, problems))
        for path in list_entries():
            known = str(entry_key(path).get("name", "")).removesuffix(" without labels")
            if not wanted or known in wanted:
                checked.append(verify_entry(path, data_dir, progress.report))
    bad = sum(bool(item.problems) for item in checked)
    for item in checked:
        if as_json:
            _print_json({"name": item.name, "path": str(item.path), "problems": item.problems, "note": item.note})
        else:
            found = "; ".join(item.problems) or (f"sound; {item.note}" if item.note else "sound")
            print_visible(f"{item.name}: {found} ({item.path})")
    if as_json:
        _print_json({"checked": len(checked), "damaged": bad})
    else:
        print_visible(f"{len(checked)} checked, {bad} damaged.")
    if bad:
        raise typer.Exit(DataError.exit_code)


@app.command("clear")
def clear_command(
    names: Annotated[list[str] | None, typer.Argument(help=f"{NAMES_HELP} By default all.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete decoded images, and what was found out about data; all can be made again. What TFDS has prepared stays."""
    from simo2_core.data.cache import cache_root
    from simo2_core.data.placement import human_bytes
    from simo2_core.data.upkeep import clear, found_out, stored

    wanted = tuple(_datasets(names, None))
    items = [item for item in stored() if not wanted or item.dataset in wanted]
    beside = found_out(wanted)
    if (items or beside) and not yes:
        size = human_bytes(sum(item.bytes for item in items) + sum(item.bytes for item in beside))
        question = f"Delete {_counted(len(items), len(beside))} ({size}) from {cache_root().parent}?"
        if not sys.stdin.isatty():
            raise DataError(f"{question} Say --yes, since nobody can be asked.")
        typer.confirm(question, abort=True)
    cleared = clear(wanted)
    if as_json:
        deleted = {"deleted": cleared.count, "found_out": cleared.found_out, "bytes": cleared.bytes}
        _print_json({**deleted, "kept": cleared.kept})
    else:
        counted = _counted(cleared.count, cleared.found_out)
        print_visible(f"{counted} deleted, {human_bytes(cleared.bytes)} free again.")
    if cleared.kept:
        more = f", and {len(cleared.kept) - 1} more" if len(cleared.kept) > 1 else ""
        raise DataError(f"{cleared.kept[0]}{more} cannot be deleted: {cache_root()} may belong to somebody else.")


def _counted(splits: int, found_out: int) -> str:
    """How many are meant, in words."""
    more = f" and {found_out} {'index' if found_out == 1 else 'indices'}" if found_out else ""
    return f"{splits} decoded {'split' if splits == 1 else 'splits'}{more}"


def _config(name: str, data_dir: str | None) -> DataConfig:
    """The settings for a preset's data set, or the general ones for a name or a folder."""
    from simo2_core.data_config import DataConfig

    for preset, facts in PRESETS.items():
        if name in (preset, facts.config.data.dataset):
            return dataclasses.replace(facts.config.data, data_dir=data_dir)
    return DataConfig(dataset=name, data_dir=data_dir)


def _datasets(names: list[str] | None, data_dir: str | None) -> set[str]:
    """The names under which the cache and TFDS know `names`; raises DataError for one that nothing is known of."""
    from simo2_core.data.sources.place import is_place
    from simo2_core.data.sources.prepared import find_all
    from simo2_core.data.upkeep import found_out, stored

    if not names:
        return set()
    known = {item.full_name for item in find_all(data_dir)} | {item.dataset for item in stored() if item.key}
    found = set()
    for name in names:
        dataset = _config(name, data_dir).dataset
        if dataset not in known and is_place(dataset):
            dataset = str(user_path(dataset).absolute())
        if dataset not in known and name not in PRESETS and not found_out((dataset,)):
            raise DataError(f"nothing of {name!r} is on disk.{did_you_mean(name, known)} See: simo2 data list.")
        found.add(dataset)
    return found


def _info_lines(name: str, description: Description) -> Iterable[str]:
    from simo2_core.data.placement import human_bytes

    if name in PRESETS:
        yield f"{name}: {PRESETS[name].title}"
    classes = description.classes
    shown = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
    yield f"{description.name} ({description.kind}), {len(classes)} classes: {shown}"
    sides = ["varying" if side is None else str(side) for side in description.image_shape]
    if description.kind == "TFDS" or any(description.image_shape):
        yield f"images: {' x '.join(sides)} (height x width x channels)"
    if description.splits:
        yield "splits: " + ", ".join(f"{split} {count:,}" for split, count in description.splits.items())
    elif name in PRESETS:
        preset = PRESETS[name]
        yield f"splits: {', '.join(preset.splits)}; train {preset.train_images:,}, test {preset.test_images:,}"
    yield from description.notes
    for item in description.prepared:
        readable = "" if item.readable else ", which needs TensorFlow to be read"
        yield f"prepared: {item.version} as {item.format}{readable}, {human_bytes(item.bytes)}, in {item.path}"
    for entry in description.decoded:
        shape = "x".join(map(str, entry.shape))
        yield f"decoded: {entry.split}, {entry.images:,} images of {shape}, {human_bytes(entry.bytes)}, in {entry.path}"
    if description.needed:
        if name in PRESETS:
            yield f"needs: {PRESETS[name].needs}"
        yield f"files (put them into {description.by_hand} when they are fetched by hand):"
        for needed in description.needed:
            yield f"  {needed.name}  {human_bytes(needed.bytes)}  {needed.url}"


def _print_json(*rows: Any) -> None:
    for row in rows:
        print(json.dumps(row, default=str), flush=True)


def _print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    from rich import box
    from rich.table import Table

    from simo2_tui.cli.printing import make_console

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    numbers = ("classes", "train", "decoded", "download")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=column != "on disk")
    for row in rows:
        table.add_row(*row)
    # a pipe has no width: cut nothing there
    make_console(width=None if sys.stdout.isatty() else 160).print(table)
