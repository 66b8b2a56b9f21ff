"""Result files of retrieval: ranked ids (.json), or a feature archive (.npz).

Ranked ids: {"image_to_text": {image id: [text ids, best first]}, "text_to_image": {...}}; lists
hold at least ten ids, or the whole pool. Archive: features.py.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.names import as_id
from evalsuite.data.official_json import kind, parsed
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.kinds.retrieval.features import (
    Features,
    Pool,
    features_of,
    places,
    read_archive,
    write_archive,
)
from evalsuite.metrics.retrieval import TOP, Ranks, ranks_of_features
from evalsuite.records.errors import UserError
from evalsuite.records.files import write_text

FORMAT = 'ranked ids, {"image_to_text": {image id: [text ids]}, "text_to_image": ...}'
DIRECTIONS = ("image_to_text", "text_to_image")
Ranked = Mapping[SampleId, Sequence[SampleId]]


def read_retrieval(path: Path) -> Mapping[Any, Any]:
    """Return the features of a .npz archive, or the ranked ids of a .json file by direction.

    Raises:
        UserError: the file is missing, truncated or of another form.
    """
    if path.suffix == ".npz":
        return read_archive(path)
    content = parsed(path, read_bytes(path, FORMAT), FORMAT, has_names_as_keys=True)
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
        write_text(path, json.dumps(predictions))
        return
    if not isinstance(predictions, Features):
        if pool is None:
            raise UserError("a run's features are written with its data and split; none are given")
        predictions = features_of(predictions, pool)
    write_archive(predictions, path)


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


def _check_lists(
    way: str,
    lists: Ranked,
    queries: Sequence[SampleId],
    candidates: Sequence[SampleId],
    source: str,
) -> None:
    places(way, list(lists), queries, f"queries of {source}")
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


def _first(is_right: Iterable[bool]) -> int:
    """Return the place of the first True, 10 where there is none."""
    return next((place for place, right in enumerate(is_right) if right), TOP)
