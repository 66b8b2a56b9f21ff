"""The contract that a benchmark fulfils: official files in, official scores out; never torch.

`tasks/<name>/benchmark.py` holds one module-level `BENCHMARK`. The command line scores, lists and
checks with this half alone; `tasks/<name>/task.py` adds what fine-tuning needs (see task.py).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from PIL import Image

from evalsuite.records.errors import refuse_unknown_split
from evalsuite.records.near_ties import NearTies
from evalsuite.records.score import Score

SampleId = int | str
Predictions = Mapping[SampleId, Any]
Capability = Literal["image", "text", "fused", "causal_text"]
# How a task is answered; leaderboards/boards.toml says what each means.
AnswerProtocol = Literal["classify", "neighbours", "embed", "match", "rank", "generate", "prompt"]
Mark = Literal["right", "partly right", "wrong", ""]
Paint = Callable[[Image.Image, float], Image.Image]


class Sample(NamedTuple):
    """One record of a benchmark, as its official files say it.

    `images` are paths relative to the data folder. `target` has the same keys and types in every
    sample of a benchmark, and is empty where the ground truth is held back.
    """

    id: SampleId
    images: tuple[str, ...]
    text: str
    target: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class OfficialFile:
    """One file or folder that a split needs, and where a person gets it.

    `path` is relative to the data folder. `records` is the official count of what is inside
    (questions, images), None where none is published. `sha256` is that of the file as it is
    unpacked, where a public source prints it.
    """

    path: str
    what: str
    source: str
    records: int | None = None
    sha256: str | None = None


class Ids(NamedTuple):
    """What the ids of a split look like: a regular expression for all of each, and one of them."""

    pattern: str
    example: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split: its official size (None: not published), its files, and where it is scored.

    `server` names the evaluation server of a split whose ground truth is held back. Where that
    asks for a file name, `result_name` is it, with {model} for the model. `archive` names the
    splits whose result files it takes together, in one zip archive. `ids` tells official data from
    other data of the same layout.
    """

    num_samples: int | None
    files: tuple[OfficialFile, ...]
    server: str | None = None
    result_name: str | None = None
    archive: tuple[str, ...] = ()
    ids: Ids | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """The facts of a benchmark that a reader needs beside a number.

    `hub_task` is the task's name in a Hugging Face model card. `protocol` is how the task is
    answered. `tuned_regime` is what the boards call a model that was fine-tuned on `train_split`.
    `head_from_pretraining` marks a task whose head contrastive pretraining leaves in its files, so
    that the head alone does not tell whether a file was fine-tuned.
    """

    name: str
    title: str
    headline: str
    needs: tuple[Capability, ...]
    paper: str
    homepage: str
    data_licence: str
    train_split: str
    eval_split: str
    protocol: AnswerProtocol
    tuned_regime: str = "fine-tuned"
    head_from_pretraining: bool = False
    hub_task: str = "image-text-to-text"
    splits: Mapping[str, Split] = field(default_factory=dict)

    def split(self, name: str) -> Split:
        """Return a split.

        Raises:
            UserError: there is none of that name.
        """
        refuse_unknown_split(self.title, name, self.splits)
        return self.splits[name]


class Benchmark(Protocol):
    """What `evalsuite tasks`, `doctor` and `score` need of a benchmark."""

    card: Card
    official_hint: str  # what the official engine needs, for the line that says it cannot run

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the samples of a split in a fixed order.

        Raises:
            UserError: a file is missing or not of the official format.
        """

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Any:
        """Return the ground truth that `score` takes; `only` keeps that of some samples.

        Raises:
            UserError: a file is missing or malformed, or the split's ground truth is held back.
        """

    def read_predictions(self, path: Path) -> Predictions:
        """Return the predictions of a file (or folder) in the benchmark's own result format.

        Raises:
            UserError: the file is not of that format, names an id twice, or holds a bad value.
        """

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write predictions in the benchmark's own result format, as its server takes them.

        With `data` and `split` they are first checked to be those of the whole split.

        Raises:
            UserError: they are not what the server takes.
        """

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return the official scores, the headline first.

        Raises:
            UserError: the ids of predictions and references differ.
        """

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the headline score of `first` minus that of `second`, with its 95% interval."""

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Sequence[Score]:
        """Return what is reached without looking at the input proper, computed from the data."""

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what the official engine says of a result file; None: see `official_hint`."""


@runtime_checkable
class ScoresClasses(Protocol):
    """A benchmark with a score for each of many classes, which a run's report lists last."""

    def class_scores(self, predictions: Predictions, references: Any) -> list[Score]:
        """Return the scores of the classes, named `<score>/<class>`."""


class SampleCheck(Protocol):
    """Looks at the samples of a split one after the other, from several threads at once."""

    def __call__(self, sample: Sample, sizes: Sequence[tuple[int, int]]) -> None:
        """Do nothing where a sample can be predicted and scored.

        Args:
            sizes: width and height of its images, in pixels.

        Raises:
            UserError: it cannot.
        """

    def conclude(self) -> Sequence[str]:
        """Return what a person should know of all samples that were seen, a line each.

        Raises:
            UserError: all together they are of no use.
        """


@runtime_checkable
class ChecksSplits(Protocol):
    """A benchmark that is of use only where more holds than that its files can be read."""

    def split_check(self, data: Path, split: str) -> SampleCheck | None:
        """Return what checks the samples of a split, None where nothing is to check.

        Raises:
            UserError: the split as a whole is of no use, or not beside the training split.
        """


@runtime_checkable
class JoinsFiles(Protocol):
    """A benchmark whose results of one model may be in two files, scored together."""

    def joined(self, first: Predictions, second: Predictions) -> Predictions:
        """Return both as the predictions of one model.

        Raises:
            UserError: they do not complete each other.
        """

    def official_joined(self, found: Predictions, data: Path, split: str) -> list[Score] | None:
        """Return what the official engine says of them; None: see `official_hint`."""


@runtime_checkable
class CountsNearTies(Protocol):
    """A benchmark that decides in scoring, by comparing what was predicted of many samples."""

    def near_ties(self, predictions: Predictions, references: Any, tolerance: float) -> NearTies:
        """Return how many of its decisions a change of scores by `tolerance` could flip."""


@runtime_checkable
class NamesResults(Protocol):
    """A benchmark whose results are no JSON file, or which may want them beside the scores.

    `result_suffix` is the end of their name, "" for a folder.
    """

    result_suffix: str

    def keeps_results(self, predictions: Predictions) -> bool:
        """Return whether a run is to hold its results though the ground truth is known."""


class Picture(NamedTuple):
    """An image of the data folder as a reader sees it.

    `paint` draws boxes or labels: it takes the RGB image at the size shown and its scale, the
    shown pixels for each pixel of the file.
    """

    path: str
    caption: str = ""
    paint: Paint | None = None


class SampleDisplay(NamedTuple):
    """What a reader sees of one sample and its prediction.

    `lines` are texts by label, `groups` what one may filter by. `score` orders samples, higher
    being better; it is None where a single sample has none. `outcome` says it in words.
    """

    lines: Mapping[str, str]
    score: float | None = None
    outcome: str = ""
    mark: Mark = ""
    groups: Mapping[str, str] = {}
    pictures: tuple[Picture, ...] = ()


@runtime_checkable
class ShowsSamples(Protocol):
    """A benchmark that says how its samples look on a page; without, texts and images are shown."""

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], SampleDisplay]:
        """Return what shows a sample of those predicted.

        Args:
            references: None where the ground truth is held back.
        """
