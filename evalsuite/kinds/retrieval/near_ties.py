"""Near-ties of retrieval: lists whose hit at 1, 5 or 10 hangs on a rounding."""

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.retrieval import AT, BLOCK

TEXTS_AT_ONCE = 10_000  # 31 MB of features 768 wide


def count_near_ties(
    images_ID: NDArray[np.float32],
    texts_TD: NDArray[np.float32],
    image_of_text: NDArray[np.int64],
    tolerance: float,
    *,
    block: int = BLOCK,
) -> int:
    """Return how many lists, of images and of texts, are hit or missed by less than `tolerance`.

    Such a list counts a hit within 1, 5 or 10 if its best right answer scores `tolerance` more, and
    none if that much less. As in scoring, `block` rows of the score matrix are held at a time.
    """
    num_images, num_texts = len(images_ID), len(texts_TD)
    own_T = _own_scores(images_ID, texts_TD, image_of_text)
    best_I = np.full(num_images, -np.inf, dtype=np.float32)
    np.maximum.at(best_I, image_of_text, own_T)
    sure_T, possible_T = np.zeros(num_texts, np.int64), np.zeros(num_texts, np.int64)
    sure_I, possible_I = np.zeros(num_images, np.int64), np.zeros(num_images, np.int64)
    texts_DT = texts_TD.T
    for start in range(0, num_images, block):
        rows = slice(start, start + block)
        found_BT = images_ID[rows] @ texts_DT
        sure_T += np.count_nonzero(found_BT > own_T + tolerance, axis=0)
        possible_T += np.count_nonzero(found_BT > own_T - tolerance, axis=0)
        best_B1 = best_I[rows, None]
        sure_I[rows] = np.count_nonzero(found_BT > best_B1 + tolerance, axis=1)
        possible_I[rows] = np.count_nonzero(found_BT > best_B1 - tolerance, axis=1)
    # Right answers are in nobody's way.
    possible_T -= 1
    is_close_T = own_T > best_I[image_of_text] - tolerance
    possible_I -= np.bincount(image_of_text[is_close_T], minlength=num_images)
    return _num_turning(sure_T, possible_T) + _num_turning(sure_I, possible_I)


def _own_scores(
    images_ID: NDArray[np.float32], texts_TD: NDArray[np.float32], image_of_text: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the score of each text with its image."""
    parts = [
        np.einsum("td,td->t", texts_TD[part], images_ID[image_of_text[part]])
        for start in range(0, len(texts_TD), TEXTS_AT_ONCE)
        for part in [slice(start, start + TEXTS_AT_ONCE)]
    ]
    return np.concatenate(parts)


def _num_turning(sure: NDArray[np.int64], possible: NDArray[np.int64]) -> int:
    """Return how many lists are hit with the ranks `sure` and not with the ranks `possible`."""
    turns = [(sure < at) & (possible >= at) for at in AT]
    return int(np.logical_or.reduce(turns).sum())
