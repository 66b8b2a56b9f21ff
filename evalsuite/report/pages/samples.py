"""The samples that a page shows: which ones, in which order, and their pictures as thumbnails."""

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evalsuite.contracts.benchmark import (
    Benchmark,
    Picture,
    Predictions,
    Sample,
    SampleDisplay,
    SampleId,
    ShowsSamples,
)
from evalsuite.data.decode import UnreadableImageError, read_image

PICTURED = 200  # samples with thumbnails: a third each of the worst, the best, and any
THUMBNAIL = 288  # pixels of the longer side
QUALITY = 78  # of JPEG: 12 kB for a photograph at that size
MOST_CHARACTERS = 1000  # of one text


class Room(NamedTuple):
    """How much of a page one run may take: rows of samples, and bytes of pictures in base64.

    A run that has a page to itself takes these: 5,000 rows of text and 5 MB stay below 10 MB.
    """

    rows: int = 5000
    picture_bytes: int = 5_000_000

    def shared_by(self, runs: int) -> "Room":
        """Return the room of each of several runs on one page."""
        return Room(max(300, self.rows // runs), self.picture_bytes // runs)


class AnsweredSplit(NamedTuple):
    """A split with its predictions; `references` are None where they are held back."""

    benchmark: Benchmark
    predictions: Predictions
    references: Any
    data: Path
    split: str


class SampleView(NamedTuple):
    """One sample as a page lists it."""

    id: SampleId
    images: tuple[str, ...]
    shown: SampleDisplay


@dataclass
class SampleTable:
    """What the page's script reads.

    A row is id, place in the files, texts, score, outcome, mark, groups, pictures (place and
    caption), and image paths where there are no pictures.
    `total` counts the samples predicted, of which `rows` may hold a random part. `rows` are in
    random order.
    """

    total: int
    labels: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    num_pictured: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the content of the page's block of data."""
        return {
            "labels": self.labels,
            "groups": self.groups,
            "rows": self.rows,
            "pictures": self.pictures,
        }


def sample_views(answered: AnsweredSplit, most: int) -> list[SampleView]:
    """Return the predicted samples of a split in the order of its files, at most so many.

    Where there are more, a part drawn with a fixed seed.

    Raises:
        UserError: the official files are not there.
    """
    ids = list(answered.predictions)
    if len(ids) > most:
        drawn = np.random.default_rng(0).choice(len(ids), most, replace=False)
        ids = [ids[place] for place in drawn.tolist()]
    wanted = set(ids)
    show = _showing(answered)
    return [
        SampleView(sample.id, sample.images, show(sample))
        for sample in answered.benchmark.samples(answered.data, answered.split)
        if sample.id in wanted
    ]


def sample_table(seen: Sequence[SampleView], total: int, data: Path, room: Room) -> SampleTable:
    """Return samples as the page's script reads them, some with thumbnails."""
    table = SampleTable(total)
    table.labels = list(dict.fromkeys(label for one in seen for label in one.shown.lines))
    table.groups = list(dict.fromkeys(name for one in seen for name in one.shown.groups))
    order = np.random.default_rng(1).permutation(len(seen)).tolist()
    pictured: dict[int, list[list[Any]]] = {}
    album = _Album(data, room.picture_bytes)
    for place in _worth_a_picture(seen, order):
        if len(pictured) == PICTURED or album.is_full:
            break
        pictured[place] = [album.add(picture) for picture in _pictures(seen[place])]
    table.pictures, table.num_pictured = album.pictures, len(pictured)
    # The third queue walks along `order`, so the first rows all have pictures.
    for place in order:
        table.rows.append(_row(seen[place], place, table, pictured.get(place, [])))
    return table


def _showing(answered: AnsweredSplit) -> Callable[[Sample], SampleDisplay]:
    """Return what shows a sample: the benchmark's own way, else its text and target."""
    benchmark, predictions = answered.benchmark, answered.predictions
    if isinstance(benchmark, ShowsSamples):
        return benchmark.showing(*answered[1:])

    def show(sample: Sample) -> SampleDisplay:
        lines = {"text": sample.text} if sample.text else {}
        lines["predicted"] = str(predictions[sample.id])
        return SampleDisplay(
            {**lines, **{name: str(value) for name, value in sample.target.items()}}
        )

    return show


def _worth_a_picture(seen: Sequence[SampleView], order: Sequence[int]) -> Iterator[int]:
    """Yield places: the worst, the best and any in turn, each once."""
    scored = [place for place in order if seen[place].shown.score is not None]
    worst = sorted(scored, key=lambda place: seen[place].shown.score or 0.0)
    known: set[int] = set()
    queues = [iter(worst), iter(worst[::-1]), iter(order)]
    while len(known) < len(seen):
        for queue in queues:
            place = next((one for one in queue if one not in known), None)
            if place is not None:
                known.add(place)
                yield place


def _pictures(one: SampleView) -> Sequence[Picture]:
    return one.shown.pictures or [Picture(path) for path in one.images]


def _row(one: SampleView, place: int, table: SampleTable, pictures: list[list[Any]]) -> list[Any]:
    shown = one.shown
    texts = [_clipped(shown.lines.get(label, "")) for label in table.labels]
    groups = [shown.groups.get(name, "") for name in table.groups]
    score = None if shown.score is None else round(shown.score, 4)
    images = [] if pictures else list(one.images)
    return [one.id, place, texts, score, shown.outcome, shown.mark, groups, pictures, images]


def _clipped(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


class _Album:
    """Thumbnails as data URIs, each file once, until there is no room."""

    def __init__(self, data: Path, room: int) -> None:
        self.pictures: list[str] = []
        self._data, self._room = data, room
        self._places: dict[str, int] = {}

    @property
    def is_full(self) -> bool:
        return self._room <= 0

    def add(self, picture: Picture) -> list[Any]:
        """Return the place of a picture and its caption; -1 where it cannot be read."""
        if picture.paint is None and picture.path in self._places:
            return [self._places[picture.path], picture.caption]
        try:
            uri = self._thumbnail(picture)
        except UnreadableImageError:
            return [-1, picture.caption]
        self._room -= len(uri)
        self.pictures.append(uri)
        if picture.paint is None:
            self._places[picture.path] = len(self.pictures) - 1
        return [len(self.pictures) - 1, picture.caption]

    def _thumbnail(self, picture: Picture) -> str:
        image = read_image(self._data / picture.path)
        longest = max(image.size)
        if longest > THUMBNAIL:
            image.thumbnail((THUMBNAIL, THUMBNAIL))
        if picture.paint is not None:
            # Lines on a tiny image would cover it.
            if longest < THUMBNAIL:
                factor = THUMBNAIL // longest
                image = image.resize((image.width * factor, image.height * factor))
            image = picture.paint(image, max(image.size) / longest)
        content = io.BytesIO()
        image.save(content, "JPEG", quality=QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def bare_table(predictions: Mapping[Any, Any], most: int) -> SampleTable:
    """Return predictions without their samples: the official files are not here."""
    seen = [
        SampleView(id, (), SampleDisplay({"predicted": str(said)}))
        for id, said in predictions.items()
    ]
    return sample_table(seen[:most], len(predictions), Path(), Room(most, 0))
