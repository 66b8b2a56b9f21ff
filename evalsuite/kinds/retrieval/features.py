"""Features of a split's images and texts: an archive (.npz), or the journal's form.

Archive: `image_ids` (I), `text_ids` (T), `image_features` (I x D), `text_features` (T x D); scores
are their inner products, so normalise them first where the model does.
Journal: {text id: {"text": feature, "image": feature or null}}, features as `packed` writes them.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.arrays import read_arrays
from evalsuite.data.names import as_id, other_spelling
from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError
from evalsuite.records.files import written_whole

ARRAYS = ("image_ids", "text_ids", "image_features", "text_features")
ARCHIVE_FORMAT = f"a feature archive (.npz) of {', '.join(ARRAYS)}"
SIDES = {"text", "image"}  # of a journal's entry


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
                f"{self.texts_TD.shape[1]}; expected the same dimension"
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
        images = places(self.source, self.image_ids, pool.image_ids, f"images of {pool.source}")
        texts = places(self.source, self.text_ids, pool.text_ids, f"texts of {pool.source}")
        ids = (pool.image_ids, pool.text_ids)
        return Features(self.source, ids, (self.images_ID[images], self.texts_TD[texts]))


def read_archive(path: Path) -> Features:
    """Return the features of a .npz archive.

    Raises:
        UserError: the file is missing, truncated or of another form.
    """
    arrays = read_arrays(path, ARRAYS, ARCHIVE_FORMAT)
    images, texts, image_features, text_features = (arrays[name] for name in ARRAYS)
    ids = (_archive_ids(path, "image_ids", images), _archive_ids(path, "text_ids", texts))
    for name, array in (("image_features", image_features), ("text_features", text_features)):
        if array.dtype.kind != "f":
            raise UserError(
                f"{path}: {name} are of type {array.dtype}; expected floating-point numbers"
            )
    return Features(str(path), ids, (image_features, text_features))


def write_archive(features: Features, path: Path) -> None:
    """Write a feature archive."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            image_ids=np.asarray(features.image_ids),
            text_ids=np.asarray(features.text_ids),
            image_features=features.images_ID,
            text_features=features.texts_TD,
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
    found_at = places("predictions", found, pool.text_ids, f"texts of {pool.source}")
    for text_id in pool.text_ids:
        entry = predictions[text_id]
        if not isinstance(entry, Mapping) or not entry.keys() >= SIDES:
            raise UserError(f"predictions: {shortened(text_id)} has no feature of text and image")
    texts = [unpacked(predictions[text_id]["text"]) for text_id in pool.text_ids]
    images: dict[int, NDArray[np.float32]] = {}
    for place in range(len(found_at)):
        image, packed_image = pool.image_of_text[place], predictions[pool.text_ids[place]]["image"]
        if image not in images and packed_image is not None:
            images[image] = unpacked(packed_image)
    absent = [id for place, id in enumerate(pool.image_ids) if place not in images]
    if absent:
        raise UserError(
            f"predictions: no feature of image {shortened(absent[0])}; {len(absent)} missing"
        )
    rows = [images[place] for place in range(len(pool.image_ids))]
    if len({one.size for one in (*rows, *texts)}) > 1:
        raise UserError("predictions: features of different lengths; expected one length for all")
    ids = (pool.image_ids, pool.text_ids)
    return Features("predictions", ids, (np.stack(rows), np.stack(texts)))


def packed(feature: NDArray[Any]) -> str:
    """Return a feature as base64 of little-endian fp32: exact, and a third of its decimals."""
    return base64.b64encode(np.ascontiguousarray(feature, dtype="<f4").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """Return the feature that `packed` wrote.

    Raises:
        UserError: it is damaged.
    """
    try:
        return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"predictions: a feature that cannot be decoded ({error})") from None


def places(
    source: str, found: Sequence[SampleId], expected: Sequence[SampleId], what: str
) -> list[int]:
    """Return where each expected id stands among those found.

    Raises:
        UserError: they are not the same ids.
    """
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
