"""COCO mask AP against pycocotools, from result files on disk to every precision and recall."""

from coco_input import coco_bench
from harness import main

BENCH = coco_bench("mask", speed=12)

if __name__ == "__main__":
    main(BENCH)
