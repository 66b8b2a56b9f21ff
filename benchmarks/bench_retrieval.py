"""Recall at 1, 5 and 10 against BEiT-3's topk rule, features in memory, product included."""

from pathlib import Path

from harness import Bench, Engine, Floor, main
from retrieval_input import (
    SIZE,
    load_features,
    make_inputs,
    official_from_features,
    ours_from_features,
    warm_official,
    warm_ours,
)


def _load(folder: Path) -> object:
    return load_features(folder)


BENCH = Bench(
    name="retrieval",
    title="Retrieval, product included",
    size=SIZE,
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=warm_official, load=_load, score=official_from_features),
        "ours": Engine(warm=warm_ours, load=_load, score=ours_from_features),
    },
    floors={"ours": Floor(2, 0.4)},
    in_memory=True,
    inputs="retrieval",
)

if __name__ == "__main__":
    main(BENCH)
