"""ADE20K for `evalsuite tasks`, `doctor` and `score`: label maps in, mIoU, mAcc and aAcc out."""

from evalsuite.kinds.segmentation.benchmark import SegmentationBenchmark

from .card import CARD
from .classes import read_classes

NUM_CLASSES = 150  # arXiv:1608.05442
BENCHMARK = SegmentationBenchmark(
    card=CARD,
    classes=read_classes,
    num_classes=NUM_CLASSES,
    official_hint="the ADE20K test images are scored by their server only",
)
