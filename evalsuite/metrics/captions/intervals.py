"""95% intervals of caption scores: the same resamples of images for every score of a set."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.bootstrap import bounds, resampled_sums
from evalsuite.metrics.captions.bleu import Bleu, bleu_of
from evalsuite.metrics.captions.cider import Cider
from evalsuite.metrics.captions.meteor import Meteor, meteor_of
from evalsuite.metrics.captions.ngrams import MAX_LENGTH
from evalsuite.metrics.captions.rouge import Rouge
from evalsuite.metrics.captions.spice import Spice

Floats = NDArray[np.float64]


class ScorerResults(NamedTuple):
    """What the scorers say of one set of captions; None where one could not run."""

    bleu: Bleu
    rouge: Rouge
    cider: Cider
    meteor: Meteor | None = None
    spice: Spice | None = None


def caption_intervals(scored: ScorerResults) -> dict[str, tuple[float, float]]:
    """Return the interval of every score, 0 to 1, by its name.

    BLEU and METEOR are computed anew from the statistics summed over each resample; the others
    are means over images. CIDEr's document frequencies stay those of all references.
    """
    means = {"cider": scored.cider.per_image_N, "rouge_l": scored.rouge.per_image_N}
    if scored.spice is not None:
        means["spice"] = scored.spice.per_image_N
    columns = [*means.values()]
    bleu = scored.bleu
    sizes = np.stack([bleu.lengths_N, bleu.closest_N], axis=1)
    rows = [np.stack(columns, axis=1), bleu.correct_N4, bleu.guesses_N4, sizes]
    if scored.meteor is not None:
        rows.append(scored.meteor.statistics_NK)
    sums_SK = resampled_sums(np.concatenate(rows, axis=1))
    num_images, num_means = len(bleu.lengths_N), len(means)
    found = {name: bounds(sums_SK[:, place] / num_images) for place, name in enumerate(means)}
    ends = num_means + 2 * MAX_LENGTH + 2
    bleu_bounds = _bounds_of(_bleu_of_sums, sums_SK[:, num_means:ends])
    found |= {f"bleu_{place + 1}": interval for place, interval in enumerate(bleu_bounds)}
    if scored.meteor is not None:
        found["meteor"] = _bounds_of(meteor_of, sums_SK[:, ends:])[0]
    return found


def _bounds_of(function: Callable[[Floats], Floats], sums_SK: Floats) -> list[tuple[float, float]]:
    """Return the interval of each value that a function makes of summed statistics."""
    values_SV = np.array([function(sums_K) for sums_K in sums_SK])
    return [bounds(column) for column in values_SV.T]


def _bleu_of_sums(sums_K: Floats) -> Floats:
    correct, guesses = sums_K[:MAX_LENGTH].tolist(), sums_K[MAX_LENGTH : 2 * MAX_LENGTH].tolist()
    return np.array(bleu_of(correct, guesses, sums_K[-2], sums_K[-1]))
