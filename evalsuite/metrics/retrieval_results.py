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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.retrieval import TOP, Ranks, ranks_of_features
from evalsuite.records.errors import UserError

ARRAYS = ("image_ids", "text_ids", "image_features", "text_features")
DIRECTIONS = ("image_to_text", "text_to_image")
Ranked = Mapping[int, Sequence[int]]


class Pool(NamedTuple):
    """The images and texts of a split in file order; every image has at least one text.

    `image_of_text` is the place in `image_ids` of each text's image (int64). `source` is the file's
    name, for messages.
    """

    source: str
    image_ids: list[int]
    text_ids: list[int]
    image_of_text: NDArray[np.int64]


class Features(Mapping[int, NDArray[np.float32]]):
    """A feature archive; as a mapping, the feature of each text by its id."""

    def __init__(
        self,
        source: str,
        ids: tuple[Sequence[int], Sequence[int]],
        features: tuple[NDArray[Any], NDArray[Any]],
    ) -> None:
        self.source = source
        self.image_ids, self.text_ids = ids
        self._places = {id: place for place, id in enumerate(self.text_ids)}
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
                    f"{source}: the feature of {what} {names[bad[0]]} is not finite; "
                    f"{bad.size} such feature(s)"
                )
            _refuse_repeated(source, names, f"{what} id")
        if self.images_ID.shape[1] != self.texts_TD.shape[1]:
            raise UserError(
                f"{source}: image features have {self.images_ID.shape[1]} numbers, text features "
                f"{self.texts_TD.shape[1]}; expected as many"
            )

    def __len__(self) -> int:
        return len(self.text_ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self.text_ids)

    def __contains__(self, text_id: object) -> bool:
        return text_id in self._places

    def __getitem__(self, text_id: int) -> NDArray[np.float32]:
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
    try:
        content = json.loads(path.read_bytes())
        ranked = msgspec.convert(content, dict[str, dict[str, list[int]]])
    except OSError as error:
        raise UserError(f"{path}: retrieval results cannot be read: {error.strerror}") from None
    except (ValueError, msgspec.ValidationError) as error:
        raise UserError(f"{path}: not ranked ids as JSON, and no .npz: {error}") from None
    if set(ranked) != set(DIRECTIONS):
        found = ", ".join(ranked) or "nothing"
        raise UserError(f"{path}: holds {found}; expected {' and '.join(DIRECTIONS)}")
    strange = [id for lists in ranked.values() for id in lists if not id.lstrip("-").isdigit()]
    if strange:
        raise UserError(f"{path}: id {strange[0]!r} is no whole number; {len(strange)} such id(s)")
    return {way: {int(id): found for id, found in ranked[way].items()} for way in DIRECTIONS}


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
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ARRAYS if name not in archive.files]
            if missing:
                raise UserError(f"{path}: has no array {missing[0]}; expected {', '.join(ARRAYS)}")
            images, texts, image_features, text_features = (archive[name] for name in ARRAYS)
    except OSError as error:
        raise UserError(f"{path}: a feature archive cannot be read: {error}") from None
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a whole .npz archive (truncated?): {error}") from None
    for name, array in zip(ARRAYS, (images, texts, image_features, text_features), strict=True):
        kinds = "iu" if name.endswith("ids") else "f"
        if array.dtype.kind not in kinds:
            expected = "whole" if kinds == "iu" else "floating-point"
            raise UserError(
                f"{path}: {name} are of type {array.dtype}; expected {expected} numbers"
            )
    return Features(str(path), (images.tolist(), texts.tolist()), (image_features, text_features))


def _check_lists(
    way: str, lists: Ranked, queries: Sequence[int], candidates: Sequence[int], source: str
) -> None:
    _places(way, list(lists), queries, f"queries of {source}")
    known, least = frozenset(candidates), min(TOP, len(candidates))
    checks: tuple[tuple[str, Callable[[Sequence[int]], bool]], ...] = (
        (f"is shorter than {least}", lambda found: len(found) < least),
        ("names an id twice", lambda found: len(set(found)) < len(found)),
        (f"names an id that is not in {source}", lambda found: not known.issuperset(found)),
    )
    for what, is_bad in checks:
        bad = [query for query, found in lists.items() if is_bad(found)]
        if bad:
            raise UserError(f"{way}: the list of {bad[0]} {what}; {len(bad)} such list(s)")


def _places(source: str, found: Sequence[int], expected: Sequence[int], what: str) -> list[int]:
    """Return where each expected id stands among those found; both hold the same ids."""
    place_of = {id: place for place, id in enumerate(found)}
    missing = [id for id in expected if id not in place_of]
    if missing:
        raise UserError(
            f"{source}: {missing[0]} of the {what} is missing; {len(missing)} such id(s)"
        )
    if len(found) != len(expected):
        known = set(expected)
        extra = [id for id in found if id not in known]
        raise UserError(f"{source}: {extra[0]} is none of the {what}; {len(extra)} such id(s)")
    return [place_of[id] for id in expected]


def _refuse_repeated(source: str, ids: Sequence[int], what: str) -> None:
    unique, counts = np.unique(np.asarray(ids), return_counts=True)
    if (counts > 1).any():
        first, number = unique[counts > 1][0], int((counts > 1).sum())
        raise UserError(f"{source}: {what} {first} comes more than once; {number} such id(s)")


def _first(is_right: Iterable[bool]) -> int:
    """Return the place of the first True, 10 where there is none."""
    return next((place for place, right in enumerate(is_right) if right), TOP)
