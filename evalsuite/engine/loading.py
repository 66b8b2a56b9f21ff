"""Reading samples in worker processes, and what becomes of one that cannot be read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evalsuite.contracts.benchmark import Sample, SampleId
from evalsuite.contracts.task import Inputs, OpenTask, ReadsMoreFiles
from evalsuite.data.images import sample_generator
from evalsuite.data.index import SampleIndex
from evalsuite.engine.session import own_cores
from evalsuite.records.errors import UserError

Marking = Callable[[Sample], str]


class Place(NamedTuple):
    """A sample's position in the index, and the pass over the set that decides its augmentation.

    `epoch` None asks for evaluation's inputs.
    """

    position: int
    epoch: int | None


class SampleOutcome(NamedTuple):
    """A sample as read: its inputs, or the reason why there are none.

    `mark` tells the state of the files that it was read from.
    """

    id: SampleId
    inputs: Inputs | None
    failure: str
    mark: str


class BatchOutcome(NamedTuple):
    """A batch as read: what could be read, and what could not, with the reason."""

    ids: list[SampleId]
    batch: Mapping[str, Tensor]
    failures: dict[SampleId, str]
    marks: dict[SampleId, str]


class Budget:
    """How many samples may be unreadable before the run is given up."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self.failures: dict[SampleId, str] = {}

    def count(self, failures: Mapping[SampleId, str]) -> None:
        """Add unreadable samples.

        Raises:
            UserError: there are more than are allowed.
        """
        self.failures.update(failures)
        if len(self.failures) > self._allowed:
            first = next(iter(self.failures.values()))
            raise UserError(
                f"{first}; {len(self.failures)} unreadable, {self._allowed} allowed: "
                "fix the file, or allow some with --skip-bad N"
            )


class _Samples(Dataset[SampleOutcome]):
    """Reads one sample; the augmentation's random numbers depend on seed, epoch and id alone."""

    def __init__(self, index: SampleIndex, task: OpenTask, seed: int, mark: Marking) -> None:
        self.index, self.task, self.seed, self.mark = index, task, seed, mark

    def __getitem__(self, place: Place) -> SampleOutcome:
        sample = self.index[place.position]
        generator = None
        if place.epoch is not None:
            generator = sample_generator(self.seed, place.epoch, sample.id)
        mark = self.mark(sample)  # first: what changes in between is read anew the next time
        try:
            return SampleOutcome(sample.id, self.task.inputs(sample, generator), "", mark)
        except UserError as error:
            return SampleOutcome(sample.id, None, str(error), mark)


def loader(
    index: SampleIndex,
    task: OpenTask,
    batches: Sequence[Sequence[Place]],
    *,
    seed: int = 0,
    mark: Marking = lambda _: "",
) -> Iterable[BatchOutcome]:
    """Return the batches, read ahead by worker processes where there are cores to spare.

    Args:
        mark: what tells the state of a sample's files, for those who want to know it.
    """

    def collate(items: list[SampleOutcome]) -> BatchOutcome:
        read = [(item.id, item.inputs) for item in items if item.inputs is not None]
        batch = task.collate([inputs for _, inputs in read]) if read else {}
        failures = {item.id: item.failure for item in items if item.inputs is None}
        marks = {item.id: item.mark for item in items if item.inputs is not None}
        return BatchOutcome([name for name, _ in read], batch, failures, marks)

    return DataLoader(
        _Samples(index, task, seed, mark),
        batch_sampler=cast(Any, batches),
        num_workers=num_workers(),
        collate_fn=collate,
        pin_memory=False,
    )


def files_of(task: OpenTask, sample: Sample) -> tuple[str, ...]:
    """Return the files that a sample's prediction comes from, relative to the data folder."""
    more = task.more_files(sample) if isinstance(task, ReadsMoreFiles) else ()
    return (*sample.images, *more)


def num_workers() -> int:
    """Return reading processes for this rank: the cores that do not compute, at most eight."""
    computing = 1 if torch.cuda.is_available() else torch.get_num_threads()
    return max(0, min(8, own_cores() - computing))


class Batches(Sequence[Sequence[Place]]):
    """Batches made when they are asked for, so that a long plan is never held in memory."""

    def __init__(self, batches: Iterable[Sequence[Place]], count: int) -> None:
        self._batches, self._count = batches, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Sequence[Place]]:
        return iter(self._batches)

    def __getitem__(self, key: Any) -> Any:
        raise TypeError("batches are read in order")
