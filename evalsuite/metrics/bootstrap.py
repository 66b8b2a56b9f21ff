"""95% intervals by the percentile bootstrap over a benchmark's natural units."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_RESAMPLES = 1000  # Efron & Tibshirani 1993, section 13.3: enough for percentile intervals
LEVELS = (2.5, 97.5)  # percent: the bounds of a 95% interval


def mean_interval(values: ArrayLike, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95% interval of the mean of one value per unit, in the unit of the values.

    Few distinct values are resampled as one multinomial draw of their counts, which has the same
    distribution as drawing units and costs nothing at 200,000 questions.

    Raises:
        ValueError: there is no value.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("no values to resample")
    generator = np.random.default_rng(seed)
    distinct, counts = np.unique(array, return_counts=True)
    if distinct.size <= 64:
        draws = generator.multinomial(array.size, counts / array.size, size=NUM_RESAMPLES)
        return bounds(draws @ distinct / array.size)
    means = [
        array[generator.integers(0, array.size, array.size)].mean() for _ in range(NUM_RESAMPLES)
    ]
    return bounds(np.asarray(means))


def bounds(statistics: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of a statistic's resampled values."""
    low, high = np.percentile(statistics, LEVELS)
    return float(low), float(high)
