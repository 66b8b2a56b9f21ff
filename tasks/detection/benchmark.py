"""COCO detection for `evalsuite tasks`, `doctor` and `score`: AP of boxes, of masks, or of both."""

from evalsuite.kinds.detection.benchmark import DetectionBenchmark

from .card import CARD

BENCHMARK = DetectionBenchmark(
    card=CARD, official_hint="test-dev is scored by COCO's evaluation servers only"
)
