"""METEOR 1.5: tokenised captions in memory to scores, the jar's own process included."""

from pathlib import Path
from typing import Any

from captions_input import NUM_IMAGES, NUM_REFERENCES, captions_of, make_inputs
from harness import Bench, Engine, Floor, main

from evalsuite.metrics.captions.meteor import meteor
from evalsuite.metrics.captions.official import Captions, official_scores
from evalsuite.metrics.captions.scores import Tokens, tokenised


def _warm_ours() -> None:
    # The hashes of the paraphrase table are made here, once for all runs on a machine.
    meteor([["a dog"]], ["a cat"])


def _load(folder: Path) -> Tokens:
    captions, said = captions_of(folder)
    return tokenised(said, captions)


def _official(tokens: Tokens) -> dict[str, Any]:
    """Return the scores of pycocoevalcap's Meteor."""
    references: Captions = dict(enumerate(tokens.references))
    said: Captions = {name: [caption] for name, caption in enumerate(tokens.hypotheses)}
    found = official_scores("meteor", references, said)["meteor"]
    return {"meteor": found.corpus, "images": hash(tuple(found.per_image_N.tolist()))}


def _ours(tokens: Tokens) -> dict[str, Any]:
    """Return our scores, by the same jar with a smaller table."""
    found = meteor(tokens.references, tokens.hypotheses)
    return {"meteor": found.corpus, "images": hash(tuple(found.per_image_N.tolist()))}


BENCH = Bench(
    name="meteor",
    title="METEOR 1.5",
    size=f"{NUM_IMAGES:,} images x {NUM_REFERENCES} references",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=lambda: None, load=_load, score=_official),
        "ours": Engine(warm=_warm_ours, load=_load, score=_ours),
    },
    floors={"ours": Floor(3, 0.5)},
    in_memory=True,
)

if __name__ == "__main__":
    main(BENCH)
