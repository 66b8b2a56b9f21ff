"""The official mIoU engine, mmsegmentation's IoUMetric on mmcv-lite: `--official` and the oracle.

mmsegmentation 1.2.2 imports compiled parts of mmcv that mmcv-lite lacks; `_install_shim` says "not
there" in the way its guards expect. Nothing is written, so a read-only install works.
"""

import importlib.util
import sys
import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

PACKAGES = ("mmseg", "mmcv", "mmengine", "torch", "ftfy", "regex")
NAMES = {"miou": "mIoU", "macc": "mAcc", "aacc": "aAcc"}
IGNORED = 255


def official_miou(
    maps: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]], num_classes: int
) -> list[Score]:
    """Return IoUMetric's mIoU, mAcc and aAcc in percent, which it rounds to two decimals.

    Args:
        maps: predicted and true map of each image, in file values: classes from 1, 0 unlabelled.

    Raises:
        UserError: mmsegmentation or what it needs is not installed.
    """
    metric, torch = load_metric(num_classes)
    num_images = 0
    for predicted_HW, truth_HW in maps:
        sample = {
            "pred_sem_seg": {"data": torch.from_numpy(predicted_HW.astype(np.int64) - 1)},
            "gt_sem_seg": {"data": torch.from_numpy(zero_label_reduced(truth_HW))},
        }
        metric.process({}, [sample])
        num_images += 1
    found = metric.compute_metrics(metric.results)
    return [
        Score(name=ours, value=float(found[theirs]), unit="percent", n=num_images)
        for ours, theirs in NAMES.items()
    ]


def zero_label_reduced(truth_HW: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return class k as k - 1, and 0 and 255 as 255 (mmseg loading.py, reduce_zero_label)."""
    reduced = truth_HW.astype(np.int64)
    reduced[reduced == 0] = IGNORED
    reduced -= 1
    reduced[reduced == IGNORED - 1] = IGNORED
    return reduced


def load_metric(num_classes: int) -> tuple[Any, Any]:
    """Return a fresh IoUMetric and the torch that it runs on.

    Raises:
        UserError: a package is missing.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the official mIoU needs {', '.join(missing)}, not installed; "
            'run pip install "evalsuite[official]"'
        )
    _install_shim()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old interfaces, which are not ours to fix
        metrics = importlib.import_module("mmseg.evaluation.metrics.iou_metric")
        torch = importlib.import_module("torch")
        logger = importlib.import_module("mmengine.logging").MMLogger.get_current_instance()
    logger.setLevel("ERROR")  # it would print the class table on standard output
    metric = metrics.IoUMetric()
    metric.dataset_meta = {"classes": [str(place) for place in range(num_classes)]}
    return metric, torch


class _AbsentOps(types.ModuleType):
    """Stands for mmcv.ops: every name is a module that is not there.

    A plain empty module gives ImportError, which mmseg's `except ModuleNotFoundError` lets through.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModuleNotFoundError(f"mmcv.ops.{name} needs compiled mmcv", name=f"mmcv.ops.{name}")


def _install_shim() -> None:
    """Put the stand-in where compiled operations are missing."""
    if importlib.util.find_spec("mmcv._ext") is None and "mmcv.ops" not in sys.modules:
        sys.modules["mmcv.ops"] = _AbsentOps("mmcv.ops")
