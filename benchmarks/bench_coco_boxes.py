"""COCO box AP against pycocotools, from result files on disk to every precision and recall."""

from functools import partial

from coco_input import (
    SIZE,
    make_inputs,
    official_scores,
    our_scores,
    our_scores_with_interval,
    warm_official,
    warm_ours,
)
from harness import Bench, Engine, Floor, main

FILE = "boxes.json"

BENCH = Bench(
    name="coco_boxes",
    title="COCO box AP",
    size=SIZE,
    make_inputs=make_inputs,
    engines={
        "official": Engine(
            warm=warm_official,
            load=lambda folder: folder,
            score=partial(official_scores, file=FILE, kind="box"),
        ),
        "ours": Engine(
            warm=warm_ours,
            load=lambda folder: folder,
            score=partial(our_scores, file=FILE, kind="box"),
        ),
        "ours, with intervals": Engine(
            warm=warm_ours,
            load=lambda folder: folder,
            score=partial(our_scores_with_interval, file=FILE),
        ),
    },
    floors={"ours": Floor(30, 0.5), "ours, with intervals": Floor(None, None)},
    inputs="coco",
)

if __name__ == "__main__":
    main(BENCH)
