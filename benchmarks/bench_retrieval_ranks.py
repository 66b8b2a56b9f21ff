"""Recall at 1, 5 and 10 against BEiT-3's topk rule, the score matrix in memory."""

from harness import Bench, Engine, Floor, main
from retrieval_input import (
    SIZE,
    load_scores,
    make_inputs,
    official_from_scores,
    ours_from_scores,
    warm_official,
    warm_ours,
)

BENCH = Bench(
    name="retrieval_ranks",
    title="Retrieval, without the product",
    size=SIZE,
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=warm_official, load=load_scores, score=official_from_scores),
        "ours": Engine(warm=warm_ours, load=load_scores, score=ours_from_scores),
    },
    floors={"ours": Floor(30, 1)},
    in_memory=True,
    inputs="retrieval",
)

if __name__ == "__main__":
    main(BENCH)
