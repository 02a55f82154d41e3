"""What a run would trip over, said before it starts: the same list for the command line and the launcher."""

from __future__ import annotations

from simo2_core.config import KNN, PROPORTIONAL, Config
from simo2_core.data.dataset import FEW_CLASSES
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.placement import Machine, choose_placement, human_bytes
from simo2_core.findings import Finding
from simo2_core.loss_floor import welch_floor
from simo2_core.memory_needs import too_much
from simo2_core.objectives.objective import Batch
from simo2_core.recipes import beside

_COMPILING = 600_000_000
"""Bytes of addresses without which the compiler ends the process, with no word: digits needs 0.5 GB on 2 cores."""


def preflight(config: Config, facts: DatasetFacts, machine: Machine) -> list[Finding]:
    """Judges `config` against its data and the machine; errors first, then warnings, then what was decided."""
    findings = [
        *_splits(config, facts),
        *_files(facts),
        *(_views(config, facts) if config.data.labels == "none" else _pairs(config, facts)),
        *_batch(config, facts),
        *_objective(config, facts),
        *_image_size(config, facts),
        *_schedule(config),
        *_room(facts, machine),
        *_memory(config, facts, machine),
    ]
    return sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def _pairs(config: Config, facts: DatasetFacts) -> list[Finding]:
    return [*_classes(config, facts), *_class_sizes(config, facts), *_dimensions(config, facts)]


def _views(config: Config, facts: DatasetFacts) -> list[Finding]:
    """Without labels, all that an encoder can learn is what the views of an image have in common."""
    found = []
    if facts.classes < 2:
        found.append(
            Finding(
                "warning",
                "one-class",
                "all images are of one class: a kNN of 100% says nothing here.",
                "Measure with labelled images: simo2 eval RUN --data OTHER.",
            )
        )
        if config.patience and config.patience_on == KNN:
            found.append(
                Finding(
                    "error",
                    "patience-one-class",
                    f"--patience {config.patience} waits for a kNN that cannot rise: all images are of one class.",
                    "Use --patience-on loss.",
                )
            )
    if config.get("crop") < 1:
        return found
    return [
        *found,
        Finding(
            "warning",
            "weak-views",
            "labels are none and the views of an image hardly differ: nothing is cropped.",
            "Use --crop 0.2 and, for photographs, --hue 0.1 --greyscale 0.2 --brightness 0.4 --contrast 0.4.",
        ),
    ]


def _splits(config: Config, facts: DatasetFacts) -> list[Finding]:
    findings = []
    for flag, split in (("--train-split", config.data.train_split), ("--test-split", config.data.test_split)):
        # an expression such as train[:10%] or train+validation is the source's to judge
        if facts.splits and split and split.isidentifier() and split not in facts.splits:
            held_out = " Or leave it out: a stratified part of train is held out." if flag == "--test-split" else ""
            findings.append(
                Finding(
                    "error",
                    "split-missing",
                    f"{config.data.dataset} has no split {split!r}; it has {', '.join(facts.splits)}.",
                    f"Choose one with {flag}.{held_out}",
                )
            )
    if facts.unlabelled:
        findings.append(
            Finding(
                "error",
                "unlabelled",
                f"{facts.unlabelled:,} images of {config.data.dataset} have no label (a negative one).",
                "The loss builds its pairs from labels: choose labelled splits with --train-split and --test-split.",
            )
        )
    return findings


def _files(facts: DatasetFacts) -> list[Finding]:
    findings = []
    if facts.skipped:
        named = "; ".join(f"{item.name} ({item.reason})" for item in facts.skipped[:3])
        more = f"; and {len(facts.skipped) - 3} more" if len(facts.skipped) > 3 else ""
        findings.append(
            Finding(
                "warning",
                "unreadable",
                f"{len(facts.skipped)} files cannot be read and are left out: {named}{more}.",
                "Repair or remove them; --strict refuses instead.",
            )
        )
    if facts.empty_classes:
        findings.append(
            Finding(
                "warning",
                "empty-class",
                f"{len(facts.empty_classes)} folders hold no image and are no classes: "
                f"{', '.join(facts.empty_classes[:5])}.",
                "Remove them, or put their images in.",
            )
        )
    known = (note for note in facts.notes if note.code != FEW_CLASSES)
    return [*findings, *(Finding("warning", note.code, note.message, note.cure) for note in known)]


def _classes(config: Config, facts: DatasetFacts) -> list[Finding]:
    drawn = config.classes_per_batch(facts.classes)
    why = next((note for note in facts.notes if note.code == FEW_CLASSES), None)
    if facts.classes < 2 and why is not None:
        return [Finding("error", FEW_CLASSES, why.message, why.cure)]
    if facts.classes < 2 or drawn < 2:
        return [
            Finding(
                "error",
                FEW_CLASSES,
                f"a batch would hold {drawn} of {facts.classes} classes; the loss compares at least 2.",
                "Use a data set with more classes."
                if facts.classes < 2
                else f"Use {beside(config.recipe, f'--batch-size {2 * config.samples_per_class}')} or more.",
            )
        ]
    if drawn < facts.classes and config.sampling != PROPORTIONAL:
        return [
            Finding(
                "info",
                "classes-per-batch",
                f"each batch draws {drawn} of {facts.classes} classes, {config.samples_per_class} images each.",
                f"For all of them use "
                f"{beside(config.recipe, f'--batch-size {facts.classes * config.samples_per_class}')}.",
            )
        ]
    return []


def _batch(config: Config, facts: DatasetFacts) -> list[Finding]:
    """A batch that the settings ask for and the data cannot fill: there are fewer classes, or images, than it wants."""
    groups, what = (facts.images, "images") if config.data.labels == "none" else (facts.classes, "classes")
    k, asked = config.samples_per_class, config.batch_size
    drawn = config.classes_per_batch(groups) * k
    if groups < 2 or drawn > asked - k:
        return []
    more = min(asked // groups, _most_samples(config, facts) or asked)
    one_by_one = config.sampling == PROPORTIONAL
    made = (
        f"drawn one by one, {k} for each of {groups} {what}" if one_by_one else f"{groups} {what}, {k} samples of each"
    )
    return [
        Finding(
            "warning" if 2 * drawn <= asked else "info",
            "batch-not-filled",
            f"batch_size is {asked}, and a batch has {drawn} images: {made}.",
            f"Use {beside(config.recipe, f'--samples-per-class {more}')} for a batch of {more * groups}."
            if more > k
            else f"Use {beside(config.recipe, f'--batch-size {drawn}')}, which is what is drawn: the smallest class "
            "has no more images.",
        )
    ]


def _most_samples(config: Config, facts: DatasetFacts) -> int | None:
    """Samples of a class that every class has; None where they are views, drawn in proportion, or not known."""
    if (
        config.data.labels == "none"
        or config.sampling == PROPORTIONAL
        or facts.train_counts is None
        or not len(facts.train_counts)
    ):
        return None
    return int(facts.train_counts.min())


def _class_sizes(config: Config, facts: DatasetFacts) -> list[Finding]:
    k, smallest = config.samples_per_class, _most_samples(config, facts)
    if facts.train_counts is None or smallest is None or smallest >= k:
        return []
    below = int((facts.train_counts < k).sum())
    fewer = beside(config.recipe, f"--samples-per-class {max(2, smallest)}")
    return [
        Finding(
            "warning",
            "k-over-class",
            f"samples_per_class is {k}, but {below} of {facts.classes} classes have fewer training images "
            f"(the smallest {smallest}): a batch repeats images.",
            f"Use {fewer}, or accept it: augmentation makes the repeats differ.",
        )
    ]


def _dimensions(config: Config, facts: DatasetFacts) -> list[Finding]:
    dims, classes = config.model.embedding_size, facts.classes
    if classes <= dims:
        return []
    return [
        Finding(
            "warning",
            "welch",
            f"{classes} classes cannot be orthogonal in {dims} dimensions: "
            f"by Welch's bound the mean squared cosine of class pairs stays at {welch_floor(classes, dims):.4f} or "
            "above.",
            f"Use --embedding-size {classes} or more for orthogonal classes.",
        )
    ]


def _objective(config: Config, facts: DatasetFacts) -> list[Finding]:
    """What the objective has to say of such batches."""
    groups = facts.images if config.data.labels == "none" else facts.classes
    batch = Batch(
        classes=config.classes_per_batch(groups),
        samples=config.samples_per_class,
        size=config.batch_size,
        all_classes=groups,
        dimensions=config.model.embedding_size,
        labels=config.data.labels,
        most_samples=_most_samples(config, facts),
        recipe=config.recipe,
    )
    return list(config.objective.advice(batch))


def _image_size(config: Config, facts: DatasetFacts) -> list[Finding]:
    encoder, side = config.model.encoder, min(facts.image_shape[:2])
    if any(each % encoder.multiple_of for each in facts.image_shape[:2]):
        patch, size = encoder.multiple_of, "×".join(map(str, facts.image_shape[:2]))
        fitting = dict.fromkeys((max(1, side // patch) * patch, -(-side // patch) * patch))
        said = f"images are {size}, and {encoder.name} takes sides that are a multiple of {patch}."
        return [Finding("error", "image-size", said, f"Use --image-size {' or '.join(map(str, fitting))}.")]
    if side >= encoder.smallest_side:
        return []
    halvings = len(encoder.stages) - 1
    why = f": {halvings + 1} blocks halve them {halvings} times" if encoder.smallest_side == 2**halvings else ""
    said = f"images of {side} pixels are smaller than the {encoder.smallest_side} that {encoder.name} needs{why}."
    fewer = "fewer --widths or " if why else ""
    return [Finding("warning", "image-size", said, f"Use {fewer}a larger --image-size.")]


def _schedule(config: Config) -> list[Finding]:
    """Numbers of a learning-rate schedule that change nothing: of another schedule, or of after the last step."""
    optim, found = config.optim, []
    for name, value, schedules in (
        ("warmup_steps", optim.warmup_steps, ("warmup_cosine",)),
        ("decay_steps", optim.decay_steps, ("exponential", "step")),
    ):
        flag = f"--{name.replace('_', '-')}"
        if value and optim.schedule not in schedules:
            found.append(
                Finding(
                    "warning",
                    "schedule-unused",
                    f"{name} is {value:,}, and the schedule {optim.schedule} has none.",
                    f"Add --schedule {schedules[0]}, or leave out {flag}.",
                )
            )
    if optim.schedule == "step" and optim.decay_steps >= config.steps and not config.minutes:
        said = (
            f"decay_steps is {optim.decay_steps:,}: in a run of {config.steps:,} steps the learning rate never falls."
        )
        found.append(
            Finding("warning", "schedule-unused", said, "Use fewer --decay-steps, or 0 for a fifth of --steps.")
        )
    return found


def _memory(config: Config, facts: DatasetFacts, machine: Machine) -> list[Finding]:
    wrong = too_much(config, facts, machine.device_free, machine.device, machine.devices)
    if wrong:
        return [Finding("error", "memory", *wrong)]
    if machine.addresses_free is not None and machine.addresses_free < _COMPILING:
        left = human_bytes(max(0, machine.addresses_free))
        return [
            Finding(
                "error",
                "addresses",
                f"the limit of this shell or job (ulimit -v) leaves {left} of addresses, and compiling takes "
                f"{human_bytes(_COMPILING)} or more.",
                "Use ulimit -v unlimited, or ask the batch system for more memory.",
            )
        ]
    return []


def _room(facts: DatasetFacts, machine: Machine) -> list[Finding]:
    placement = choose_placement(facts.size, facts.to_write, machine)
    findings = [Finding("info", "placement", placement.why)]
    if placement.where == "stream":
        findings.append(
            Finding(
                "warning",
                "disk",
                f"the cache needs {human_bytes(facts.to_write)} and has room for {human_bytes(machine.disk_free)}.",
                "Free some space, give it more with SIMO2_CACHE_SIZE, move it with SIMO2_CACHE=/other/disk, or use a "
                "smaller --image-size.",
            )
        )
    return findings
