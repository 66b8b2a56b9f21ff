"""mmsegmentation's own models and transforms as an oracle, without compiled mmcv."""

import importlib
import sys
import warnings
from typing import Any, NamedTuple

from evalsuite.metrics.official_miou import load_metric

# What mmseg imports without a guard; nothing that the tests use calls them.
UNGUARDED = ("point_sample", "sigmoid_focal_loss")


class Mmseg(NamedTuple):
    """The modules of mmseg that the tests compare with."""

    heads: Any
    losses: Any
    segmentors: Any
    transforms: Any
    imaging: Any


def mmseg() -> Mmseg:
    """Return mmseg; the stand-in of compiled parts gets the names that it cannot do without."""
    load_metric(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old interfaces, which are not ours to fix
        operations = importlib.import_module("mmcv.ops")
        for name in UNGUARDED:
            if name not in vars(operations):
                setattr(operations, name, _absent)
        return Mmseg(
            importlib.import_module("mmseg.models.decode_heads"),
            importlib.import_module("mmseg.models.losses"),
            importlib.import_module("mmseg.models.segmentors"),
            importlib.import_module("mmseg.datasets.transforms"),
            sys.modules["mmcv"],
        )


def built(kind: Any, **settings: Any) -> Any:
    """Return one of mmseg's modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**settings)


def _absent(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("needs compiled mmcv")
