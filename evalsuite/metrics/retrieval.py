"""Recall at 1, 5 and 10 of images and texts by each other, from features or from ranked ids."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.bootstrap import bounds, extreme_share, resampled_sums
from evalsuite.metrics.compiled import compiled
from evalsuite.metrics.difference import difference
from evalsuite.records.score import Score

AT = (1, 5, 10)
NAMES = (*(f"{way}_at_{at}" for way in ("tr", "ir") for at in AT), "mean_recall", "mean_r_at_1")
TOP = 10  # ranks from here on are all written as 10: no recall looks further
BLOCK = 256  # images at a time: 26 MB of scores at 25,000 texts, large enough for BLAS
FOLD_IMAGES = 1000  # of COCO's 1K protocol: five folds of a thousand images (arXiv:1412.2306)


class Ranks(NamedTuple):
    """Place of the first right answer in each query's list, from 0; 10 stands for later or never.

    `image_to_text` has one entry an image, `text_to_image` one a text (int64).
    """

    image_to_text: NDArray[np.int64]
    text_to_image: NDArray[np.int64]


def ranks_of_features(
    images_ID: NDArray[np.float32],
    texts_TD: NDArray[np.float32],
    image_of_text: NDArray[np.int64],
    *,
    block: int = BLOCK,
) -> Ranks:
    """Return the ranks by inner product, holding `block` rows of the score matrix at a time.

    The product is in fp32 whatever the features come in: with bf16 scores ties move R@1 by up to
    1.1 points (reference trap C3). The right answer's score is read from the same product as the
    others', never computed again (trap C4): each text keeps its ten best images so far.

    Args:
        image_of_text: the place in `images_ID` of each text's image; every image has a text.
    """
    images = np.ascontiguousarray(images_ID, dtype=np.float32)
    texts_DT = np.ascontiguousarray(texts_TD, dtype=np.float32).T
    owned = _owned_texts(image_of_text)
    image_to_text = np.empty(len(images), dtype=np.int64)
    best_scores = np.full((image_of_text.size, TOP), -np.inf, dtype=np.float32)
    best_images = np.full((image_of_text.size, TOP), -1, dtype=np.int64)
    lowest = np.full(image_of_text.size, -np.inf, dtype=np.float32)
    scores = np.empty((min(block, len(images)), image_of_text.size), dtype=np.float32)
    for start in range(0, len(images), block):
        rows = images[start : start + block]
        found = np.matmul(rows, texts_DT, out=scores[: len(rows)])
        _rank_texts(found, owned.texts, owned.ends, start, image_to_text)
        _keep_best_images(found, start, best_scores, best_images, lowest)
    is_own = best_images == image_of_text[:, None]
    text_to_image = np.where(is_own.any(1), is_own.argmax(1), TOP)
    return Ranks(np.minimum(image_to_text, TOP), text_to_image)


def ranks_of_scores(scores_IT: NDArray[np.float32], image_of_text: NDArray[np.int64]) -> Ranks:
    """Return the ranks from a whole score matrix, images x texts.

    Tie rule, here and above: equal scores stand in the order of the references' images and texts,
    as a stable sort by falling score leaves them.
    """
    owned = _owned_texts(image_of_text)
    image_to_text = np.empty(len(scores_IT), dtype=np.int64)
    _rank_texts(scores_IT, owned.texts, owned.ends, 0, image_to_text)
    own_scores = scores_IT[image_of_text, np.arange(image_of_text.size)]
    text_to_image = np.zeros(image_of_text.size, dtype=np.int32)
    _count_better_images(scores_IT, own_scores, image_of_text.astype(np.int32), text_to_image)
    return Ranks(np.minimum(image_to_text, TOP), np.minimum(text_to_image, TOP).astype(np.int64))


def recall_scores(ranks: Ranks, image_of_text: NDArray[np.int64], *, interval: bool) -> list[Score]:
    """Return `tr_at_1` ... `ir_at_10`, their mean `mean_recall`, and `mean_r_at_1`, in percent.

    `tr` finds a text for an image (any of its texts counts), `ir` the image of a text. Intervals
    resample images together with their texts, since the texts of an image are hit or missed alike;
    of a recall of 0 or 100 they are Wilson's for as many images.
    """
    hits = _hits_by_image(ranks, image_of_text)
    values = _recalls(hits.sum(0)[None])[0]
    resampled = _recalls(resampled_sums(hits)) if interval else None
    num_images, num_texts = ranks.image_to_text.size, ranks.text_to_image.size
    return [
        Score(
            name=name,
            value=float(values[place]),
            unit="percent",
            n=num_texts if name.startswith("ir") else num_images,
            interval=None
            if resampled is None
            else _interval(values[place], resampled[:, place], num_images),
        )
        for place, name in enumerate(NAMES)
    ]


def paired_recall(first: Ranks, second: Ranks, image_of_text: NDArray[np.int64]) -> Score:
    """Return the `tr_at_1` of `first` minus that of `second` in points; both resampled alike."""
    both = [_hits_by_image(ranks, image_of_text) for ranks in (first, second)]
    values = [_recalls(hits.sum(0)[None])[0, 0] for hits in both]
    resampled = [_recalls(resampled_sums(hits))[:, 0] for hits in both]
    interval = bounds(resampled[0] - resampled[1])
    num_images = first.image_to_text.size
    return difference("tr_at_1", float(values[0] - values[1]), interval, n=num_images)


def fold_recalls(
    images_ID: NDArray[np.float32], texts_TD: NDArray[np.float32], image_of_text: NDArray[np.int64]
) -> list[Score]:
    """Return COCO's 1K scores: the mean over folds of a thousand images in file order.

    They are named `tr_at_1/1k` and so on. A last fold that is not full is left out.
    """
    folds: list[Sequence[Score]] = []
    for start in range(0, len(images_ID) - FOLD_IMAGES + 1, FOLD_IMAGES):
        inside = (image_of_text >= start) & (image_of_text < start + FOLD_IMAGES)
        owners = image_of_text[inside] - start
        ranks = ranks_of_features(images_ID[start : start + FOLD_IMAGES], texts_TD[inside], owners)
        folds.append(recall_scores(ranks, owners, interval=False))
    return [
        Score(
            name=f"{scores[0].name}/1k",
            value=sum(score.value for score in scores) / len(scores),
            unit="percent",
            n=sum(score.n for score in scores),
        )
        for scores in zip(*folds, strict=True)
    ]


def chance_recall(image_of_text: NDArray[np.int64]) -> list[Score]:
    """Return the expected scores of a random order, in percent.

    An image with k of T texts is hit within n with probability 1 - C(T - k, n) / C(T, n).
    """
    texts_of_image = np.bincount(image_of_text)
    num_images, num_texts = texts_of_image.size, image_of_text.size
    values = []
    for at in AT:
        drawn = np.arange(min(at, num_texts))
        missed = (num_texts - texts_of_image[:, None] - drawn).clip(0) / (num_texts - drawn)
        values.append(100 * float((1 - missed.prod(1)).mean()))
    values += [100 * min(1.0, at / num_images) for at in AT]
    values.append(sum(values) / len(values))
    values.append((values[0] + values[len(AT)]) / 2)
    return [
        Score(name=f"chance/{name}", value=value, unit="percent", n=num_images)
        for name, value in zip(NAMES, values, strict=True)
    ]


def _hits_by_image(ranks: Ranks, image_of_text: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return per image: hits of its list at 1, 5, 10; its texts' hits at 1, 5, 10; their number."""
    num_images = ranks.image_to_text.size
    columns = [(ranks.image_to_text < at).astype(np.float64) for at in AT]
    for at in AT:
        hits = (ranks.text_to_image < at).astype(np.float64)
        columns.append(np.bincount(image_of_text, hits, num_images).astype(np.float64))
    columns.append(np.bincount(image_of_text, minlength=num_images).astype(np.float64))
    columns.append(np.ones(num_images))
    return np.stack(columns, 1)


def _recalls(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the figures of `NAMES` in percent from sums of `_hits_by_image`."""
    num_texts, num_images = sums[:, 6:7], sums[:, 7:8]
    recalls = 100 * np.concatenate([sums[:, :3] / num_images, sums[:, 3:6] / num_texts], 1)
    means = [recalls.mean(1), recalls[:, [0, len(AT)]].mean(1)]
    return np.concatenate([recalls, np.stack(means, 1)], 1)


def _interval(value: float, resampled: NDArray[np.float64], num_images: int) -> tuple[float, float]:
    """Return the interval of one figure in percent."""
    if value in (0, 100):
        return extreme_share(num_images, is_all=value == 100, whole=100.0)
    return bounds(resampled)


class _TextsByImage(NamedTuple):
    """The texts of image i are `texts[ends[i] : ends[i + 1]]`."""

    texts: NDArray[np.int64]
    ends: NDArray[np.int64]


def _owned_texts(image_of_text: NDArray[np.int64]) -> _TextsByImage:
    ends = np.concatenate([[0], np.cumsum(np.bincount(image_of_text))])
    return _TextsByImage(np.argsort(image_of_text, kind="stable"), ends)


@compiled
def _num_above(line: NDArray[np.float32], score: np.float32) -> np.int32:
    """Return how many are above a score; as a function of its own, LLVM makes it vector code."""
    found = np.int32(0)
    for place in range(len(line)):
        if line[place] > score:
            found += np.int32(1)
    return found


@compiled
def _num_not_below(line: NDArray[np.float32], score: np.float32) -> np.int32:
    """Return how many are equal to a score or above."""
    found = np.int32(0)
    for place in range(len(line)):
        if line[place] >= score:
            found += np.int32(1)
    return found


@compiled
def _rank_texts(
    scores: NDArray[np.float32],
    texts: NDArray[np.int64],
    ends: NDArray[np.int64],
    start: int,
    ranks: NDArray[np.int64],
) -> None:
    """Write the rank of each row's best own text; row 0 is image `start`."""
    for row in range(scores.shape[0]):
        image = start + row
        best = texts[ends[image]]
        for place in range(ends[image] + 1, ends[image + 1]):
            if scores[row, texts[place]] > scores[row, best]:
                best = texts[place]
        before = _num_not_below(scores[row, :best], scores[row, best])
        ranks[image] = before + _num_above(scores[row, best + 1 :], scores[row, best])


@compiled
def _count_better_images(
    scores: NDArray[np.float32],
    own_scores: NDArray[np.float32],
    owners: NDArray[np.int32],
    ranks: NDArray[np.int32],
) -> None:
    """Add, for every text, the images above its own image's score or equal and before it."""
    for row in range(scores.shape[0]):
        line = scores[row]
        image = np.int32(row)
        for text in range(len(line)):
            is_tied_before = (line[text] == own_scores[text]) & (image < owners[text])
            if (line[text] > own_scores[text]) | is_tied_before:
                ranks[text] += np.int32(1)


@compiled
def _keep_best_images(
    scores: NDArray[np.float32],
    start: int,
    best_scores: NDArray[np.float32],
    best_images: NDArray[np.int64],
    lowest: NDArray[np.float32],
) -> None:
    """Insert each row into the ten best images of every text; an equal score goes behind."""
    for row in range(scores.shape[0]):
        for text in range(scores.shape[1]):
            score = scores[row, text]
            if score > lowest[text]:
                place = TOP - 1
                while place > 0 and best_scores[text, place - 1] < score:
                    best_scores[text, place] = best_scores[text, place - 1]
                    best_images[text, place] = best_images[text, place - 1]
                    place -= 1
                best_scores[text, place] = score
                best_images[text, place] = start + row
                lowest[text] = best_scores[text, TOP - 1]
