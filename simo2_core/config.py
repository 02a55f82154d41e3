"""The settings of a run, as frozen data that refuses early.

`Config` is a tree of sections and parts. Every value in it is a `setting`: it carries its one-line description and,
through its name, its command-line flag (`samples_per_class` is `--samples-per-class`), so the command line and the
launcher are drawn from this file, and from the parts, and can never disagree with them. Names are unique in the whole
tree, but that parts of one kind may share one.

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from simo2_core.augmentations.augmentation import Augmentation
from simo2_core.bounds import LARGEST_COUNT
from simo2_core.config_format import of_today
from simo2_core.data_config import LARGEST_SEED, DataConfig
from simo2_core.encoders.encoder import Encoder
from simo2_core.errors import ConfigError, did_you_mean
from simo2_core.faults import naming_faults
from simo2_core.objectives.objective import Objective, Task
from simo2_core.optimizer_config import OptimizerConfig
from simo2_core.parts import Part, strangers
from simo2_core.recipes import NONE, RECIPES, added, replaced_by
from simo2_core.sections import changed, gained, names_in, part, plain, read_section, settings_in, several, value_of
from simo2_core.settings import Cadence, Section, Setting, require, setting

FORMAT = 5
"""Version of the JSON written by `Config.to_json`."""

LARGEST_BATCH = 1_000_000
WITH_REPLACEMENT, BALANCED, PROPORTIONAL = "replacement", "balanced", "proportional"
SAMPLINGS = (WITH_REPLACEMENT, BALANCED, PROPORTIONAL)
ON_NAN = ("stop", "rollback")
KNN, TRAINING_LOSS = "knn", "loss"
RATE_AFTER_DIVERGENCE = 1 / 3
"""What the learning rate is multiplied with when a run goes back from a loss that is not finite, whoever asks."""
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section):
    """The encoder and its projection head."""

    encoder: Encoder = part("encoder", "yatcnn", "the encoder, which brings settings of its own")
    embedding_size: int = setting(
        16,
        "D, the dimensions of the embedding that the loss sees",
        at_least=2,
        at_most=1_000_000,
        cure="In one dimension every pair of unit vectors is parallel, so no two classes can be orthogonal.",
    )
    precision: str = setting(
        "auto",
        "what convolutions multiply in; all else stays float32 (auto: bfloat16 on a GPU, or if a CPU is faster in it)",
        choices=PRECISIONS,
    )


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Section):
    """Where training begins, what of it moves, and how many labels it may see."""

    init: str | None = setting(
        None,
        "what the encoder begins with: a run, a checkpoint, or pretrained weights: FILE.safetensors, a folder with "
        "model.safetensors or that simo2 export wrote, or hf:NAME of the Hugging Face Hub",
    )
    freeze: bool = setting(False, "leave the encoder as it is and train the classifier alone (cross_entropy)")
    layer_decay: float = setting(
        1.0, "factor of the learning rate for each block further from the classifier", above=0, at_most=1
    )
    label_fraction: float = setting(
        1.0, "share of the training images of each class that is used, drawn by the seed", above=0, at_most=1
    )
    labels_per_class: int = setting(
        0, "training images of each class that are used; 0 for all", at_least=0, at_most=LARGEST_COUNT
    )

    def check(self) -> None:
        require(
            self.label_fraction == 1 or not self.labels_per_class,
            "labels_per_class",
            self.labels_per_class,
            "0 beside a label_fraction below 1",
            "Give one of the two.",
        )


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """Everything that decides a run. Make one from a preset with `PRESETS[name].config` and `replace`."""

    data: DataConfig = field(default_factory=DataConfig)
    augment: tuple[Augmentation, ...] = several(
        "augmentation", "augmentations beside simo2's own: names, or FILE.py:Class, comma separated"
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: Objective = part("objective", "simo2", "the loss, which brings settings of its own")
    optim: OptimizerConfig = field(default_factory=OptimizerConfig)
    tune: FinetuneConfig = field(default_factory=FinetuneConfig)

    preset: str = setting("", "the preset these settings began as")
    recipe: str = setting(
        NONE, "settings that belong together: fast for photographs of about 32 pixels", choices=(NONE, *RECIPES)
    )
    steps: int = setting(
        400,
        "optimiser steps in all (one epoch of the original is one step)",
        aliases=("num_epochs",),
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    minutes: float = setting(
        0.0,
        "train for so many minutes, evaluations included: steps and schedule are planned from the speed that is "
        "measured, again and again, whatever --steps says; 0 trains for --steps",
        at_least=0,
        at_most=10**6,
    )
    max_passes: int = setting(
        0,
        "of a run for --minutes, the most passes over the training images: on a fast machine it ends before its time; "
        "0 for as many as the time has room for",
        at_least=0,
        at_most=LARGEST_COUNT,
    )
    seed: int = setting(0, "decides weights, draws, augmentation and dropout", at_least=0, at_most=LARGEST_SEED)
    batch_size: int = setting(
        320,
        "images a step; classes per batch is min(batch_size // k, classes)",
        at_most=LARGEST_BATCH,
    )
    samples_per_class: int = setting(
        32,
        "k, the images of each class in a batch",
        at_least=2,
        at_most=LARGEST_BATCH // 2,
        cure="The loss compares pairs inside a class: with one sample there is no pair.",
    )
    sampling: str = setting(
        WITH_REPLACEMENT,
        "how batches are drawn: with replacement; balanced, where all images of a class come before any comes again; "
        "proportional, the same of all images, classes as often as the data have them",
        choices=SAMPLINGS,
    )
    grow_from: int = setting(
        0,
        "side in pixels that the encoder sees images at in the first third of the run, half way to their own in the "
        "second, their own in the last; 0 for their own throughout",
        at_least=0,
        at_most=8192,
    )
    chunk_size: int = setting(
        0,
        "images embedded at once, to fit in memory; the loss still sees the whole batch; 0 embeds it in one go",
        at_least=0,
        at_most=LARGEST_BATCH,
    )
    test_views: bool = setting(
        False,
        "at the end, measure test a second time with views averaged: shifted by a pixel, and mirrored with --flip",
    )
    log_rate: int = setting(50, "steps between printed lines", at_least=1, at_most=LARGEST_COUNT)
    eval_every: Cadence = setting(
        Cadence(seconds=10), "validation kNN and embedding snapshot: steps, a time such as 10s, or never"
    )
    patience: int = setting(
        0,
        "end the run when validation kNN has not risen for this many evaluations (or see --patience-on), and read test "
        "with the state whose kNN is best; 0 trains to the last step",
        at_least=0,
        at_most=LARGEST_COUNT,
    )
    patience_on: str = setting(
        KNN,
        "what --patience waits for: that kNN of validation rises, or that the training loss falls, the mean since the "
        "evaluation before",
        choices=(KNN, TRAINING_LOSS),
    )
    plot_every: Cadence = setting(Cadence(seconds=60), "PNG plots while training: steps, a time such as 60s, or never")
    checkpoint_every: Cadence = setting(Cadence(seconds=300), "checkpoints: steps, a time such as 5m, or never")
    keep: int = setting(3, "newest checkpoints kept, besides the best", at_least=1, at_most=LARGEST_COUNT)
    on_nan: str = setting(
        "stop",
        "a loss or gradient that is not finite: stop, or go back to the newest checkpoint with a third of the "
        "learning rate",
        choices=ON_NAN,
    )
    rollbacks: int = setting(
        3,
        "times that --on-nan rollback goes back before the run stops after all",
        at_least=1,
        at_most=1000,
        cure="Use --on-nan stop for none.",
    )

    def check(self) -> None:
        owners: dict[str, Section] = {}
        for name, owner in names_in(self):
            if name in owners:
                part = next(one for one in (owner, owners[name]) if isinstance(one, Part))
                raise ConfigError(f"{part.name} has a setting {name!r}, which there is already. Give it another name.")
            owners[name] = owner
        require(
            self.data.labels in self.objective.allowed_labels,
            "labels",
            self.data.labels,
            f"{' or '.join(self.objective.allowed_labels)} for {self.objective.name}",
            self.objective.labels_cure,
        )
        require(
            self.batch_size // self.samples_per_class >= 2,
            "batch_size",
            self.batch_size,
            f"at least {2 * self.samples_per_class}, two classes of samples_per_class = {self.samples_per_class}",
            f"Use --batch-size {2 * self.samples_per_class} or more, or a smaller --samples-per-class.",
        )
        require(
            self.sampling != PROPORTIONAL or not self.objective.compares_images,
            "sampling",
            self.sampling,
            f"{BALANCED} or {WITH_REPLACEMENT} for {self.objective.name}, which compares classes of equal size",
            f"Use --sampling {BALANCED}.",
        )
        require(
            self.sampling != WITH_REPLACEMENT or not self.get("alternate_flip"),
            "alternate_flip",
            True,
            f"false with --sampling {WITH_REPLACEMENT}, which does not count how often an image came",
            f"Use --sampling {BALANCED}.",
        )
        require(
            not self.max_passes or self.minutes > 0,
            "max_passes",
            self.max_passes,
            "0 without --minutes",
            "Give --minutes as well; or leave out --max-passes and give the length of the run as --steps.",
        )
        require(
            not self.patience or self.eval_every != Cadence(),
            "patience",
            self.patience,
            "0 with --eval-every never: it counts evaluations",
            "Give --eval-every, as 500 steps or 5m.",
        )
        require(
            self.minutes > 0 or self.optim.schedule != "warmup_cosine" or self.optim.warmup_steps < self.steps,
            "warmup_steps",
            self.optim.warmup_steps,
            f"below the {self.steps} steps of the run",
            "Use fewer --warmup-steps, or 0 for a tenth of --steps.",
        )
        require(
            not self.tune.freeze or self.objective.classifies,
            "freeze",
            self.tune.freeze,
            f"false for {self.objective.name}, which has no classifier",
            "Use --objective cross_entropy.",
        )

    @property
    def images(self) -> DataConfig:
        """`data` as it is loaded: the encoder has its say where a size is to be chosen."""
        if self.data.image_size or self.data.min_size:
            return self.data
        return replace(self.data, min_size=min(self.model.encoder.smallest_side, 8192))

    def batch_shape(self, classes: int) -> tuple[int, int]:
        """Groups of a batch and images of each: classes and their samples, or in proportion images one by one."""
        drawn = self.classes_per_batch(classes)
        if self.sampling == PROPORTIONAL:
            return drawn * self.samples_per_class, 1
        return drawn, self.samples_per_class

    def sides(self, own: int) -> tuple[int, ...]:
        """The sides that images have over the run, each for an equal share of it; `own` is that of the data."""
        if not self.grow_from:
            return (own,)
        middle = (self.grow_from + own) // 2
        return self.grow_from, middle - middle % self.model.encoder.multiple_of, own

    def classes_per_batch(self, classes: int) -> int:
        """How many of a data set's `classes` are drawn for each batch."""
        return min(self.batch_size // self.samples_per_class, classes)

    def replace(self, changes: Mapping[str, Any]) -> Config:
        """A copy with settings changed by name, wherever in the tree they are.

        A change of `recipe` changes what belongs to it as well, but for what is given beside it.
        A change of `objective` or `encoder` to another part keeps those of its settings that the one before it had; the
        others are those of the recipe, where there is one that says them.

        Raises:
            ConfigError: a name is no setting, belongs to a part that is not chosen, or a value cannot work.
        """
        recipe = changes.get("recipe", self.recipe)
        more = added(recipe, changes) if recipe in RECIPES else {}
        left = set(changes)
        after = changed(self, {**more, **changes} if recipe != self.recipe else changes, left)
        for name in sorted(left):
            raise ConfigError(_why_not(name, after))
        new = gained(self, after, changes) if recipe == self.recipe else set()
        return changed(after, {name: value for name, value in more.items() if name in new}, set())

    def given(self, changes: Mapping[str, Any]) -> Config:
        """A copy with settings that somebody gives for a run that has settings: its length is what they say of it.

        So `steps` take the place of `minutes`, and either of `max_passes`, as they do beside a recipe.

        Raises:
            ConfigError: as `replace` does; or it takes the name of a recipe away, whose settings would stay.
        """
        if changes.get("recipe", self.recipe) == NONE != self.recipe:
            raise ConfigError(
                f"recipe is none, but these settings are those of {self.recipe}, and stay without its name. Leave out "
                "--recipe, and give what is to be another by its name, as --optimizer adam."
            )
        return self.replace({**replaced_by(changes), **changes})

    def slowed_down(self) -> Config:
        """The settings to go on with from before a loss that was not finite: all rates are lower."""
        names = ("learning_rate", *(("rest_rate",) if self.optim.optimizer == "muon" else ()))
        return self.replace({name: self.get(name) * RATE_AFTER_DIVERGENCE for name in names})

    def get(self, name: str) -> Any:
        """The value of a setting by name; raises KeyError where no part that is chosen has it."""
        return value_of(self, name)

    def has(self, name: str) -> bool:
        """Whether the setting `name` is one of this run: it may belong to a part that is not chosen."""
        try:
            value_of(self, name)
        except KeyError:
            return False
        return True

    def settings(self) -> Iterator[Setting]:
        """The settings that this run has: those of the parts that are chosen, and of the run itself."""
        return (item for item in all_settings() if self.has(item.name))

    def with_source(self) -> Config:
        """A copy that names the kind of its data set where it is not simo2's own, for whoever reads it elsewhere."""
        if self.data.sources:
            return self
        with naming_faults():
            claiming = (name for name, part in strangers("source").items() if part.claims(self.data.dataset))  # type: ignore[attr-defined]
            name = next(claiming, None)
        return self if name is None else self.replace({"source": name})

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to another process as JSON: the parts are found there by name, as they were here."""
        return Config.from_json, (self.to_json(),)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, versioned; `from_json` gives the same Config back."""
        return {"format": FORMAT, **plain(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Config:
        """Reads what `to_json` wrote, or an older simo2.

        Raises:
            ConfigError: a newer format, a part that is not here, an unknown or an unfit setting.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"a config must be a JSON object, not {type(data).__name__}.")
        found = data.get("format", None)
        if not isinstance(found, int) or found > FORMAT:
            raise ConfigError(
                f"the config has format {found!r}; this simo2 reads formats up to {FORMAT}. Update simo2."
            )
        body = {key: value for key, value in data.items() if key != "format"}
        return cast(Config, read_section(cls, of_today(body, found), "config"))


def all_settings() -> Iterator[Setting]:
    """Every setting of the tree and of every part that can be chosen, sections in the order of `Config`.

    Where a part of somebody's own has one that is called like another, the other is meant: see `Config.check`.
    """
    seen: set[str] = set()
    for item in settings_in(Config):
        if item.name not in seen:
            yield item
        seen.add(item.name)


def _why_not(name: str, config: Config) -> str:
    known = {item.name: item for item in all_settings()}
    if name not in known:
        return f"{name!r} is no setting.{did_you_mean(name, known)}"
    kind, parts = known[name].kind, known[name].parts
    chosen = f", and this run has {config.get(kind)}" if config.get(kind) else ""
    owners = " or ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return (
        f"{name} is a setting of the {kind} {owners}{chosen}. Add --{kind} {parts[0]}, or leave out "
        f"--{name.replace('_', '-')}."
    )


def task_of(config: Config, classes: int, image_shape: tuple[int, int, int]) -> Task:
    """What the objective of a run is trained on, for a data set of `classes` and images of `image_shape`."""
    encoder = config.model.encoder
    return Task(classes, image_shape, encoder.features, config.model.embedding_size, encoder.stages)
