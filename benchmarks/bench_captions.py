"""BLEU-1..4, ROUGE-L and CIDEr with their tokenisation: result files on disk to scores."""

from pathlib import Path
from typing import Any

from captions_input import NUM_IMAGES, NUM_REFERENCES, REFERENCES, RESULTS, captions_of, make_inputs
from harness import Bench, Engine, Floor, main
from pycocotools.coco import COCO

from evalsuite.metrics.captions.official import (
    BLEU_NAMES,
    Captions,
    OfficialScores,
    official_scores,
    official_tokens,
)
from evalsuite.metrics.captions.scores import measured, tokenised


def _official(folder: Path) -> dict[str, Any]:
    """Return pycocoevalcap's scores, files read as its own COCOEvalCap has them read."""
    truth = COCO(str(folder / REFERENCES))
    said = truth.loadRes(str(folder / RESULTS))
    names = truth.getImgIds()
    tokens = [
        official_tokens({name: [one["caption"] for one in side.imgToAnns[name]] for name in names})
        for side in (truth, said)
    ]
    found: dict[str, OfficialScores] = {}
    for name in ("bleu_1", "rouge_l", "cider"):
        found |= official_scores(name, tokens[0], tokens[1])
    return {name: _digest(value.corpus, value.per_image_N) for name, value in found.items()}


def _ours(folder: Path) -> dict[str, Any]:
    """Return our scores."""
    captions, said = captions_of(folder)
    found = measured(tokenised(said, captions))
    bleu = zip(BLEU_NAMES, found.bleu.corpus, found.bleu.per_image_N4.T, strict=True)
    scores = {name: _digest(corpus, per_image) for name, corpus, per_image in bleu}
    scores["rouge_l"] = _digest(found.rouge.corpus, found.rouge.per_image_N)
    scores["cider"] = _digest(found.cider.corpus, found.cider.per_image_N)
    return scores


def _digest(corpus: float, per_image: Any) -> dict[str, Any]:
    """Return the corpus score, and a digest that differs if any image's score does."""
    return {"corpus": corpus, "images": hash(tuple(float(value) for value in per_image))}


def _warm_official() -> None:
    tokens: Captions = {0: ["a dog", "the dog"], 1: ["a cat"]}
    for name in ("bleu_1", "rouge_l", "cider"):
        official_scores(name, tokens, {0: ["a dog"], 1: ["a bird"]})


def _warm_ours() -> None:
    measured(tokenised({0: "a dog", 1: "a bird"}, {0: ["A dog."], 1: ["a cat"]}))


BENCH = Bench(
    name="captions",
    title="BLEU-1..4, ROUGE-L, CIDEr, tokenisation included",
    size=f"{NUM_IMAGES:,} images x {NUM_REFERENCES} references",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=_warm_official, load=lambda folder: folder, score=_official),
        "ours": Engine(warm=_warm_ours, load=lambda folder: folder, score=_ours),
    },
    floors={"ours": Floor(10, 1)},
)

if __name__ == "__main__":
    main(BENCH)
