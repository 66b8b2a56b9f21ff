"""A text as a reader sees it: where its own image came, and which images came first."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from evalsuite.contracts.benchmark import Mark, Picture, Predictions, Sample, SampleDisplay
from evalsuite.kinds.retrieval.features import Pool, features_of
from evalsuite.kinds.retrieval.results import DIRECTIONS

NUM_IMAGES = 3  # how many of the images found are shown
NUM_TEXTS = 3


def showing(
    predictions: Predictions, pool: Pool, samples: Iterable[Sample]
) -> Callable[[Sample], SampleDisplay]:
    """Return what shows a pair of image and text; ranked ids, without features, show nothing."""
    if set(predictions) == set(DIRECTIONS):
        return lambda sample: SampleDisplay({"text": sample.text})
    features = features_of(predictions, pool)
    texts, paths = {}, {}
    for sample in samples:
        texts[sample.id] = sample.text
        paths[sample.target["image_id"]] = sample.images[0]
    place_of_text = {id: place for place, id in enumerate(pool.text_ids)}
    place_of_image = {id: place for place, id in enumerate(pool.image_ids)}

    def pictures(own: Any, best: np.ndarray[Any, Any]) -> tuple[Picture, ...]:
        shown = [Picture(paths[own], "its own image")]
        for rank, place in enumerate(best.tolist(), 1):
            id = pool.image_ids[place]
            shown.append(Picture(paths[id], f"found {rank}: {'its own' if id == own else 'other'}"))
        return tuple(shown)

    def show(sample: Sample) -> SampleDisplay:
        own = sample.target["image_id"]
        if sample.id not in place_of_text:
            return SampleDisplay({"text": sample.text})
        scores_I = features.images_ID @ features.texts_TD[place_of_text[sample.id]]
        rank = 1 + int((scores_I > scores_I[place_of_image[own]]).sum())
        lines = {"text": sample.text, "rank of its image": f"{rank:,} of {len(scores_I):,}"}
        if sample.target["brings_image"]:
            scores_T = features.texts_TD @ features.images_ID[place_of_image[own]]
            best = np.argsort(-scores_T, kind="stable")[:NUM_TEXTS]
            found = [pool.text_ids[place] for place in best.tolist()]
            lines["texts found for the image"] = "\n".join(texts[id] for id in found)
        mark: Mark = "right" if rank == 1 else "partly right" if rank <= 10 else "wrong"
        best = np.argsort(-scores_I, kind="stable")[:NUM_IMAGES]
        return SampleDisplay(
            lines, -float(rank), f"rank {rank:,}", mark, pictures=pictures(own, best)
        )

    return show
