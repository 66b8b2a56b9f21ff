"""Which samples are seen at which step, by which process: a pure function of seed and sizes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.records.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """The global batches of a fine-tuning, whatever the number of processes.

    As in the released code an epoch is `num_samples // batch_size` steps and the rest is dropped; a
    set smaller than the batch is one step.
    """

    num_samples: int
    batch_size: int
    epochs: float
    warmup_epochs: float
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, num_samples: int, seed: int) -> "Plan":
        """Return the plan of a recipe on a training set."""
        size = min(recipe.batch_size, num_samples)
        return cls(num_samples, size, recipe.epochs, recipe.warmup_epochs, seed)

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in one pass over the training set."""
        return self.num_samples // self.batch_size

    @property
    def num_steps(self) -> int:
        """Optimizer steps in all."""
        return max(1, round(self.epochs * self.steps_per_epoch))

    @property
    def warmup_steps(self) -> int:
        """Optimizer steps during which the learning rate rises."""
        return round(self.warmup_epochs * self.steps_per_epoch)

    def epoch_of(self, step: int) -> int:
        """Return the pass over the training set that a step belongs to, from 0."""
        return step // self.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[NDArray[np.int64]]:
        """Yield the sample positions of every global batch from a step on."""
        order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        for step in range(first_step, self.num_steps):
            epoch, place = divmod(step, self.steps_per_epoch)
            if place == 0 or step == first_step:
                order = np.random.default_rng((self.seed, epoch)).permutation(self.num_samples)
            yield order[place * self.batch_size : (place + 1) * self.batch_size]


def micro_batches(
    batch: NDArray[np.int64], micro_batch: int, rank: int, world: int
) -> list[NDArray[np.int64]]:
    """Return the parts of a global batch for one process, each of at most `micro_batch`.

    All processes get the same number of parts, so that they meet at every collective call.
    """
    share = -(-len(batch) // world)
    parts = -(-share // micro_batch)
    return [part for part in np.array_split(batch[rank::world], parts)]
