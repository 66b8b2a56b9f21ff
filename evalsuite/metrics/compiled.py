"""Compiled functions, kept between calls where there is a folder to keep them in."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function when it is first called.

    Where neither the package's folder nor the home can be written, as in containers, it is compiled
    anew in every process.
    """
    try:
        return cast("Callable[Parameters, Result]", numba.njit(cache=True)(function))
    except RuntimeError:  # "cannot cache function: no locator available"
        return cast("Callable[Parameters, Result]", numba.njit(function))
