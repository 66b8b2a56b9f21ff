"""Result files of retrieval: a feature archive (.npz) or ranked ids (.json); the journal's form.

Feature archive: `image_ids` (I), `text_ids` (T), `image_features` (I x D), `text_features` (T x D);
scores are their inner products, so normalise them first where the model does.
Ranked ids: {"image_to_text": {image id: [text ids, best first]}, "text_to_image": {...}}; lists
hold at least ten ids, or the whole pool.
Journal: {text id: {"text": feature, "image": feature or null}}, features as `packed` writes them.
"""

import base64
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.benchmark import SampleId
from evalsuite.data.names import as_id, other_spelling
from evalsuite.data.official_json import kind, parsed, refuse_repeated
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.metrics.retrieval import TOP, Ranks, ranks_of_features
from evalsuite.records.errors import UserError
from evalsuite.records.file_kinds import LOOKED_AT, kind_of

ARRAYS = ("image_ids", "text_ids", "image_features", "text_features")
FORMAT = 'ranked ids, {"image_to_text": {image id: [text ids]}, "text_to_image": ...}'
ARCHIVE_FORMAT = f"a feature archive (.npz) of {', '.join(ARRAYS)}"
# What numpy and zipfile raise of a damaged archive, beside ValueError.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, MemoryError)
DIRECTIONS = ("image_to_text", "text_to_image")
Ranked = Mapping[SampleId, Sequence[SampleId]]


class Pool(NamedTuple):
    """The images and texts of a split in file order; every image has at least one text.

    `image_of_text` is the place in `image_ids` of each text's image (int64). `source` is the file's
    name, for messages.
    """

    source: str
    image_ids: list[SampleId]
    text_ids: list[SampleId]
    image_of_text: NDArray[np.int64]


class Features(Mapping[SampleId, NDArray[np.float32]]):
    """A feature archive; as a mapping, the feature of each text by its id."""

    def __init__(
        self,
        source: str,
        ids: tuple[Sequence[SampleId], Sequence[SampleId]],
        features: tuple[NDArray[Any], NDArray[Any]],
    ) -> None:
        self.source = source
        self.image_ids, self.text_ids = ids
        self._places = {id: place for place, id in enumerate(self.text_ids)}
        with np.errstate(over="ignore"):  # too large for fp32: refused below as not finite
            self.images_ID, self.texts_TD = (np.asarray(one, dtype=np.float32) for one in features)
        for what, names, rows in (
            ("image", self.image_ids, self.images_ID),
            ("text", self.text_ids, self.texts_TD),
        ):
            if rows.ndim != 2 or len(rows) != len(names):
                raise UserError(
                    f"{source}: {len(names)} {what} ids for features of shape {rows.shape}; "
                    "expected one row an id"
                )
            bad = np.flatnonzero(~np.isfinite(rows).all(1))
            if bad.size:
                raise UserError(
                    f"{source}: the feature of {what} {shortened(names[bad[0]])} is not finite; "
                    f"{bad.size} such feature(s)"
                )
            refuse_repeated(Path(source), names, f"{what} id")
        if self.images_ID.shape[1] != self.texts_TD.shape[1]:
            raise UserError(
                f"{source}: image features have {self.images_ID.shape[1]} numbers, text features "
                f"{self.texts_TD.shape[1]}; expected as many"
            )

    def __len__(self) -> int:
        return len(self.text_ids)

    def __iter__(self) -> Iterator[SampleId]:
        return iter(self.text_ids)

    def __contains__(self, text_id: object) -> bool:
        return text_id in self._places

    def __getitem__(self, text_id: SampleId) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self.texts_TD[self._places[text_id]]
        return row

    def in_order_of(self, pool: Pool) -> "Features":
        """Return the features in the pool's order.

        Raises:
            UserError: ids differ from the pool's.
        """
        images = _places(self.source, self.image_ids, pool.image_ids, f"images of {pool.source}")
        texts = _places(self.source, self.text_ids, pool.text_ids, f"texts of {pool.source}")
        ids = (pool.image_ids, pool.text_ids)
        return Features(self.source, ids, (self.images_ID[images], self.texts_TD[texts]))


def read_retrieval(path: Path) -> Mapping[Any, Any]:
    """Return the features of a .npz archive, or the ranked ids of a .json file by direction.

    Raises:
        UserError: the file is missing, truncated or of another form.
    """
    if path.suffix == ".npz":
        return _read_archive(path)
    content = parsed(path, read_bytes(path, FORMAT), FORMAT)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {kind(content)}; expected {FORMAT}")
    if set(content) != set(DIRECTIONS):
        found = shortened(", ".join(content)) or "nothing"
        raise UserError(f"{path}: holds {found}; expected {' and '.join(DIRECTIONS)}")
    return {way: _ranked(f"{path}: {way}", content[way]) for way in DIRECTIONS}


def _ranked(where: str, lists: Any) -> dict[SampleId, list[SampleId]]:
    """Return ranked ids by query as a file has them.

    JSON's keys are texts: one that spells a whole number is that number, unless the queries are
    texts themselves; `_as_queries` settles it.
    """
    if not isinstance(lists, dict):
        raise UserError(f"{where}: {kind(lists)}; expected an object, a list of ids for each query")
    ranked = {}
    for query, ids in lists.items():
        if not isinstance(ids, list):
            raise UserError(f"{where}: {shortened(query)} has {kind(ids)}; expected a list of ids")
        try:
            ranked[query] = [as_id(one) for one in ids]
        except ValueError as reason:
            raise UserError(f"{where}: the list of {shortened(query)}: {reason}") from None
    return ranked


def _as_queries(lists: Ranked, queries: Sequence[SampleId]) -> Ranked:
    """Return the lists by the ids of the queries; JSON can only write a number as a text key."""
    spelled: dict[SampleId, SampleId] = {}
    for query in queries:
        if isinstance(query, int):
            spelled |= {str(query): query, f"{query}.0": query}
    known = set(queries)
    found: dict[SampleId, Sequence[SampleId]] = {}
    for name, ids in lists.items():
        query = name if name in known else spelled.get(name, name)
        if query in found:
            raise UserError(f"query {shortened(query)} has two lists")
        found[query] = ids
    return found


def write_retrieval(predictions: Mapping[Any, Any], path: Path, pool: Pool | None = None) -> None:
    """Write ranked ids as JSON where the predictions are that, else a feature archive.

    Raises:
        UserError: the predictions are a journal's, which needs the pool to know its images.
    """
    if set(predictions) == set(DIRECTIONS):
        path.write_text(json.dumps(predictions))
        return
    if not isinstance(predictions, Features):
        if pool is None:
            raise UserError("a run's features are written with its data and split; none are given")
        predictions = features_of(predictions, pool)
    with path.open("wb") as file:
        np.savez(
            file,
            image_ids=np.asarray(predictions.image_ids),
            text_ids=np.asarray(predictions.text_ids),
            image_features=predictions.images_ID,
            text_features=predictions.texts_TD,
        )


def features_of(predictions: Mapping[Any, Any], pool: Pool) -> Features:
    """Return an archive's or a journal's features in the pool's order.

    An image is journaled with its first text; of several features the first is taken, as BEiT-3
    does (unilm beit3/engine_for_finetuning.py, RetrievalHandler). A journal may hold texts beyond
    the pool: those of images that cannot be read.

    Raises:
        UserError: ids differ from the pool's, or a feature is missing or not finite.
    """
    if isinstance(predictions, Features):
        return predictions.in_order_of(pool)
    known = set(pool.text_ids)
    found = [text_id for text_id in predictions if text_id in known]
    places = _places("predictions", found, pool.text_ids, f"texts of {pool.source}")
    texts = [unpacked(predictions[text_id]["text"]) for text_id in pool.text_ids]
    images: dict[int, NDArray[np.float32]] = {}
    for place in range(len(places)):
        image, packed_image = pool.image_of_text[place], predictions[pool.text_ids[place]]["image"]
        if image not in images and packed_image is not None:
            images[image] = unpacked(packed_image)
    absent = [id for place, id in enumerate(pool.image_ids) if place not in images]
    if absent:
        raise UserError(f"predictions: no feature of image {absent[0]}; {len(absent)} missing")
    rows = [images[place] for place in range(len(pool.image_ids))]
    ids = (pool.image_ids, pool.text_ids)
    return Features("predictions", ids, (np.stack(rows), np.stack(texts)))


def ranks_of_predictions(predictions: Mapping[Any, Any], pool: Pool) -> Ranks:
    """Return the ranks of any of the three forms.

    Raises:
        UserError: ids are missing or unknown, a list is short or names an id twice, or a feature
            is not finite.
    """
    if set(predictions) == set(DIRECTIONS):
        return ranks_of_lists(predictions["image_to_text"], predictions["text_to_image"], pool)
    features = features_of(predictions, pool)
    return ranks_of_features(features.images_ID, features.texts_TD, pool.image_of_text)


def ranks_of_lists(image_to_text: Ranked, text_to_image: Ranked, pool: Pool) -> Ranks:
    """Return the place of the first right id in each list.

    Raises:
        UserError: as `ranks_of_predictions`.
    """
    image_to_text = _as_queries(image_to_text, pool.image_ids)
    text_to_image = _as_queries(text_to_image, pool.text_ids)
    owner = {
        text: pool.image_ids[place]
        for text, place in zip(pool.text_ids, pool.image_of_text.tolist(), strict=True)
    }
    _check_lists("image_to_text", image_to_text, pool.image_ids, pool.text_ids, pool.source)
    _check_lists("text_to_image", text_to_image, pool.text_ids, pool.image_ids, pool.source)
    texts = [
        _first(owner[found] == image for found in image_to_text[image][:TOP])
        for image in pool.image_ids
    ]
    images = [
        _first(found == owner[text] for found in text_to_image[text][:TOP])
        for text in pool.text_ids
    ]
    return Ranks(np.array(texts, dtype=np.int64), np.array(images, dtype=np.int64))


def packed(feature: NDArray[Any]) -> str:
    """Return a feature as base64 of little-endian fp32: exact, and a third of its decimals."""
    return base64.b64encode(np.ascontiguousarray(feature, dtype="<f4").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """Return the feature that `packed` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


def _read_archive(path: Path) -> Features:
    try:
        with path.open("rb") as file:
            kind_found = kind_of(file.read(LOOKED_AT))
        if kind_found != "a zip archive":  # which .npz is
            raise UserError(f"{path}: {kind_found or 'no .npz archive'}; expected {ARCHIVE_FORMAT}")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ARRAYS if name not in archive.files]
            if missing:
                raise UserError(f"{path}: has no array {missing[0]}; expected {', '.join(ARRAYS)}")
            images, texts, image_features, text_features = (archive[name] for name in ARRAYS)
    except OSError as error:
        raise UserError(f"{path}: a feature archive cannot be read: {error}") from None
    except (*DAMAGE, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a whole .npz archive: {shortened(str(error))}") from None
    ids = (_archive_ids(path, "image_ids", images), _archive_ids(path, "text_ids", texts))
    for name, array in (("image_features", image_features), ("text_features", text_features)):
        if array.dtype.kind != "f":
            raise UserError(
                f"{path}: {name} are of type {array.dtype}; expected floating-point numbers"
            )
    return Features(str(path), ids, (image_features, text_features))


def _archive_ids(path: Path, name: str, array: NDArray[Any]) -> list[SampleId]:
    """Return the ids of an archive: whole numbers of any type, or texts."""
    if array.dtype.kind not in "iufU" or array.ndim != 1:
        raise UserError(
            f"{path}: {name} are of type {array.dtype} and shape {array.shape}; "
            "expected a row of whole numbers or texts"
        )
    try:
        return [as_id(one) for one in array.tolist()]
    except ValueError as reason:
        raise UserError(f"{path}: {name}: {reason}") from None


def _check_lists(
    way: str,
    lists: Ranked,
    queries: Sequence[SampleId],
    candidates: Sequence[SampleId],
    source: str,
) -> None:
    _places(way, list(lists), queries, f"queries of {source}")
    known, least = frozenset(candidates), min(TOP, len(candidates))
    checks: tuple[tuple[str, Callable[[Sequence[SampleId]], bool]], ...] = (
        (f"is shorter than {least}", lambda found: len(found) < least),
        ("names an id twice", lambda found: len(set(found)) < len(found)),
        (f"names an id that is not in {source}", lambda found: not known.issuperset(found)),
    )
    for what, is_bad in checks:
        bad = [query for query, found in lists.items() if is_bad(found)]
        if bad:
            raise UserError(
                f"{way}: the list of {shortened(bad[0])} {what}; {len(bad)} such list(s)"
            )


def _places(
    source: str, found: Sequence[SampleId], expected: Sequence[SampleId], what: str
) -> list[int]:
    """Return where each expected id stands among those found; both hold the same ids."""
    place_of = {id: place for place, id in enumerate(found)}
    missing = [id for id in expected if id not in place_of]
    if missing:
        raise UserError(
            f"{source}: {shortened(missing[0])} of the {what} is missing"
            f"{other_spelling(missing[0], place_of)}; {len(missing)} such id(s)"
        )
    if len(found) != len(expected):
        known = set(expected)
        extra = [id for id in found if id not in known]
        raise UserError(
            f"{source}: {shortened(extra[0])} is none of the {what}; {len(extra)} such id(s)"
        )
    return [place_of[id] for id in expected]


def _first(is_right: Iterable[bool]) -> int:
    """Return the place of the first True, 10 where there is none."""
    return next((place for place, right in enumerate(is_right) if right), TOP)
