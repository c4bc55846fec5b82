"""A training job: what is trained, how, and where the model folder goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class NamedRecipe(Protocol):
    """What every recipe has."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def description(self) -> str:
        """What the network is, for the model card."""


class SeededSettings(Protocol):
    """What the settings of every recipe have."""

    @property
    def seed(self) -> int:
        """Seed of everything drawn."""


RecipeT = TypeVar("RecipeT", bound=NamedRecipe)
SettingsT = TypeVar("SettingsT", bound=SeededSettings)


@dataclass(frozen=True, slots=True)
class Epoch:
    """The result of an epoch."""

    number: int
    """Number of the epoch, from 1."""
    loss: float
    """Mean cross-entropy of the augmented training batches, in nats."""
    seconds: float
    """Duration in seconds."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where progress goes."""

    stage: Callable[[str], None] = lambda title: None
    """Called with the title of each stage that begins."""
    epoch: Callable[[Epoch], None] = lambda epoch: None
    """Called after each epoch."""
    note: Callable[[str], None] = lambda text: None
    """Called with each line worth showing."""


@dataclass(frozen=True, slots=True)
class TrainingJob(Generic[RecipeT, SettingsT]):
    """A recipe to train and the model folder to write."""

    recipe: RecipeT
    settings: SettingsT
    out: Path
    """Model folder to write."""
    command: str
    """Command line for the manifest, without paths of this machine."""
    folds: bool = True
    """Whether to measure the recipe on held-out folds first."""
    fold_models: Path | None = None
    """Folder to keep the folds' models in; None to drop them."""
    replace: bool = False
    """Whether ``out`` may be replaced."""
    note: str = ""
    """Text on the corpus for the card: source, licence, limits."""
    reporter: Reporter = field(default_factory=Reporter)
