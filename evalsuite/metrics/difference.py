"""The headline of one set of predictions minus that of another, over the same samples."""

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.bootstrap import RESAMPLED_DECIMALS, mean_interval
from evalsuite.records.score import Score

POINTS = "percentage points"


def difference(
    headline: str,
    value: float,
    interval: tuple[float, float] | None,
    *,
    n: int,
    unit: str = POINTS,
) -> Score:
    """Return A minus B of a headline as a score of its own name, that no one takes for a score."""
    return Score(name=f"{headline}/difference", value=value, unit=unit, n=n, interval=interval)


def mean_difference(
    headline: str, first: NDArray[np.float64], second: NDArray[np.float64]
) -> Score:
    """Return the mean of `first` minus that of `second`, both 0 to 1 a sample, in points."""
    gain = first - second
    low, high = mean_interval(gain.round(RESAMPLED_DECIMALS))
    interval = (100 * low, 100 * high)
    return difference(headline, 100 * float(gain.mean()), interval, n=len(gain))
