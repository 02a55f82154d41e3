"""The settings of the optimiser, and of how fast it goes.

Host values only, standard library only: importing this file must stay instant.
"""

from __future__ import annotations

from dataclasses import dataclass

from simo2_core.bounds import LARGEST_COUNT
from simo2_core.settings import Section, setting

OPTIMIZERS = ("adam", "adamw", "sgd", "novograd", "rmsprop", "muon")
SCHEDULES = ("constant", "cosine", "warmup_cosine", "exponential", "step", "linear", "polynomial")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Section):
    """The optimiser, its learning rate over the steps, and the gradient clip before it."""

    optimizer: str = setting(
        "adam", "the optimiser; or one of optax, as optax.contrib:prodigy", choices=OPTIMIZERS, open=True
    )
    learning_rate: float = setting(3e-4, "the peak learning rate", above=0)
    schedule: str = setting("constant", "how the learning rate changes over the steps", choices=SCHEDULES)
    warmup_steps: int = setting(
        0,
        "steps of linear warm-up (warmup_cosine; 0 means a tenth of --steps)",
        at_least=0,
        at_most=LARGEST_COUNT,
    )
    final_lr_fraction: float = setting(
        0.0,
        "learning rate at the end, as a share of the peak (cosine, warmup_cosine, linear, polynomial)",
        at_least=0,
        at_most=1,
    )
    decay_rate: float = setting(0.5, "factor per --decay-steps (exponential, step)", above=0, at_most=1)
    decay_steps: int = setting(
        0,
        "steps between decays (exponential, step; 0 means a fifth of --steps)",
        at_least=0,
        at_most=LARGEST_COUNT,
    )
    power: float = setting(2.0, "exponent of the polynomial schedule", above=0, at_most=100)
    momentum: float = setting(0.9, "momentum (sgd, rmsprop, muon)", at_least=0, below=1)
    weight_decay: float = setting(1e-4, "decoupled weight decay (adamw, novograd, and muon for the rest)", at_least=0)
    rest_optimizer: str = setting(
        "adamw",
        "what moves all but the encoder's kernels (muon): biases, norms, heads",
        choices=("adamw", "sgd"),
    )
    rest_rate: float = setting(3e-4, "peak learning rate of that rest (muon)", above=0)
    muon_steps: int = setting(5, "Newton–Schulz steps that make an update orthogonal (muon)", at_least=1, at_most=20)
    scale_filters: bool = setting(
        False,
        "give each kernel the norm √filters before every step (muon): for networks that normalise what follows",
    )
    gradient_clip: float = setting(1.0, "largest global norm of the gradient; 0 leaves it alone", at_least=0)
    average: float = setting(
        0.0,
        "decay of an average of the weights over the steps, which is what is evaluated and exported; 0 keeps none",
        at_least=0,
        below=1,
    )
