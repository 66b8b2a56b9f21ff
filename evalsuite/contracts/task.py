"""The contract that a task fulfils: what fine-tuning and predicting need beside the benchmark.

`tasks/<name>/task.py` holds one module-level `TASK`, a `Task`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy.random import Generator
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Benchmark, Sample
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe

Inputs = Mapping[str, Any]
# By name, first axis B; lists of different lengths stand one after the other, beside a tensor of
# their lengths. Names of image tensors begin with "image". In fine-tuning "step" is the optimizer
# step, from 0, for losses that change on the way.
Batch = Mapping[str, Tensor]


class Decision(NamedTuple):
    """A prediction that won over others, and how narrowly.

    `margin` is the smallest gap between scores that it hangs on, divided by the largest score's
    size, or by 1 where that is smaller. evalsuite/records/near_ties.py says what is too narrow.
    """

    prediction: Any
    margin: float


class OpenTask(Protocol):
    """A task at work on one data folder with one recipe."""

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head; its parameters have the official checkpoint's names."""

    def inputs(self, sample: Sample, generator: Generator | None) -> Inputs:
        """Return one sample's inputs and targets; evaluation's when there is no generator.

        Raises:
            UserError: an image cannot be read.
        """

    def collate(self, items: Sequence[Inputs]) -> dict[str, Tensor]:
        """Return a batch: tensors whose first axis is the sample."""

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the mean loss of a training batch's samples, a scalar in fp32.

        It may be called under autocast: what is multiplied behind the head, as similarities are,
        leaves it first.
        """

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return one JSON value per sample, as the journal keeps it; never from the ground truth.

        One exception: ADE20K, whose label maps would make a journal of gigabytes, counts here
        which true label was taken for which; `--set save_maps=true` keeps the maps instead.

        A value that won over others by its score comes as a `Decision`: near-ties are counted.
        """


@runtime_checkable
class ComparesSamples(Protocol):
    """An open task whose loss compares the samples of a batch, so that no part of it may be cut."""

    needs_whole_batch: bool


@runtime_checkable
class MeasuresSamples(Protocol):
    """An open task that says how long a sample is.

    Samples of like length are predicted together, the longest first: padding costs time, and
    memory that does not suffice shows at once.
    """

    def length(self, sample: Sample) -> int:
        """Return the number of tokens that vary from sample to sample."""


@runtime_checkable
class ReadsMoreFiles(Protocol):
    """An open task whose predictions depend on more files than the images of a sample."""

    def more_files(self, sample: Sample) -> Sequence[str]:
        """Return those files, relative to the data folder."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the engine asks of a task.

    `recipes` are by backbone, all of one class. `final_norm` says whether the task's model has a
    norm after the backbone's last layer. `open` returns the task ready to work on a data folder
    with one of the recipes; it raises a UserError where official files are missing or malformed.
    """

    benchmark: Benchmark
    recipes: Mapping[str, Recipe]
    final_norm: bool
    open: Callable[[Path, Any, Tokenizer], OpenTask]

    def recipe(self, backbone: str) -> Recipe:
        """Return the recipe for a backbone.

        Raises:
            UserError: the task has none for it.
        """
        if backbone not in self.recipes:
            raise UserError(
                f"{self.benchmark.card.name} has no recipe for {backbone}; "
                f"it has {', '.join(self.recipes)}"
            )
        return self.recipes[backbone]
