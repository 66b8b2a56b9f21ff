"""95% intervals by the percentile bootstrap over a benchmark's natural units.

Of a share at 0 or 100 percent, where every resample is alike, Wilson's score interval instead.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_RESAMPLES = 1000  # Efron & Tibshirani 1993, section 13.3: enough for percentile intervals
LEVELS = (2.5, 97.5)  # percent: the bounds of a 95% interval
# Values that differ only in the last bits are rounded to one, for the multinomial draw.
RESAMPLED_DECIMALS = 9
NORMAL_95 = 1.959963984540054  # two-sided 95% point of the normal distribution


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """Return the 95% interval of the mean of one value per unit, in the unit of the values.

    Few distinct values are resampled as one multinomial draw of their counts, which has the same
    distribution as drawing units and costs nothing at 200,000 questions.

    Raises:
        ValueError: there is no value.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("no values to resample")
    distinct, counts = np.unique(array, return_counts=True)
    if distinct.size <= 64:
        generator = np.random.default_rng(0)
        draws = generator.multinomial(array.size, counts / array.size, size=NUM_RESAMPLES)
        return bounds(draws @ distinct / array.size)
    return bounds(np.array([array[drawn].mean() for drawn in _resamples(array.size)]))


def share_interval(values: ArrayLike, *, whole: float = 1.0) -> tuple[float, float]:
    """Return the 95% interval of a share from one value per unit, 0 or `whole`, in their unit.

    Raises:
        ValueError: there is no value.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size and (array == array[0]).all():
        return extreme_share(array.size, is_all=bool(array[0]), whole=whole)
    return mean_interval(array)


def extreme_share(size: int, *, is_all: bool, whole: float = 1.0) -> tuple[float, float]:
    """Return Wilson's 95% score interval of a share that `size` units put at 0 or at `whole`.

    Source: Wilson 1927, Journal of the American Statistical Association 22, 209-212; with no hit
    or no miss its far bound is z^2 / (n + z^2) away.
    """
    reach = whole * NORMAL_95**2 / (size + NORMAL_95**2)
    return (whole - reach, whole) if is_all else (0.0, reach)


def times_drawn(num_units: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each unit is in a resample, for each of the resamples."""
    for drawn in _resamples(num_units):
        yield np.bincount(drawn, minlength=num_units)


def resampled_sums(rows_NK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column sums over each of the S resamples of N units, S x K."""
    return np.stack([times_N @ rows_NK for times_N in times_drawn(len(rows_NK))])


def bounds(statistics: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of a statistic's resampled values."""
    low, high = np.percentile(statistics, LEVELS)
    return float(low), float(high)


def _resamples(num_units: int) -> Iterator[NDArray[np.int64]]:
    """Yield the places of the units of each resample: the same ones at every call."""
    generator = np.random.default_rng(0)
    for _ in range(NUM_RESAMPLES):
        yield generator.integers(0, num_units, num_units)
