"""What the retrieval benchmarks share: made features, BEiT-3's rule and ours."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.metrics.retrieval import (
    Ranks,
    ranks_of_features,
    ranks_of_scores,
    recall_scores,
)

NUM_IMAGES, NUM_TEXTS, WIDTH = 5000, 25_000, 768  # COCO's test split; BEiT-3 base
SIZE = f"{NUM_IMAGES:,} images x {NUM_TEXTS:,} texts x {WIDTH}"
NOISE = 8.0  # of a text beside its image's unit feature; gives an R@1 as models have


class Loaded(NamedTuple):
    """Unit features, and the image of each text."""

    images_ID: NDArray[np.float32]
    texts_TD: NDArray[np.float32]
    owners: NDArray[np.int64]


def make_inputs(folder: Path, seed: int) -> None:
    """Write features.npz: texts are their image's feature with noise."""
    generator = np.random.default_rng(seed)
    owners = generator.permutation(np.repeat(np.arange(NUM_IMAGES), NUM_TEXTS // NUM_IMAGES))
    images = generator.standard_normal((NUM_IMAGES, WIDTH), dtype=np.float32)
    texts = images[owners] + NOISE * generator.standard_normal((NUM_TEXTS, WIDTH), np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    np.savez(folder / "features.npz", images=images, texts=texts, owners=owners)


def load_features(folder: Path) -> Loaded:
    """Return the made features."""
    torch.set_num_threads(1)
    with np.load(folder / "features.npz") as archive:
        return Loaded(archive["images"], archive["texts"], archive["owners"])


def load_scores(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the score matrix, images x texts, and the image of each text."""
    loaded = load_features(folder)
    return loaded.images_ID @ loaded.texts_TD.T, loaded.owners


def official_from_features(loaded: Loaded) -> dict[str, Any]:
    """Return the recalls of BEiT-3's rule; the whole matrix is held."""
    scores = torch.from_numpy(loaded.images_ID) @ torch.from_numpy(loaded.texts_TD).t()
    return _topk_recalls(scores, torch.from_numpy(loaded.owners))


def official_from_scores(loaded: tuple[NDArray[np.float32], NDArray[np.int64]]) -> dict[str, Any]:
    """Return the recalls of BEiT-3's rule on a matrix."""
    return _topk_recalls(torch.from_numpy(loaded[0]), torch.from_numpy(loaded[1]))


def ours_from_features(loaded: Loaded) -> dict[str, Any]:
    """Return our recalls, block by block."""
    return _recalls(ranks_of_features(*loaded), loaded.owners)


def ours_from_scores(loaded: tuple[NDArray[np.float32], NDArray[np.int64]]) -> dict[str, Any]:
    """Return our recalls on a matrix."""
    return _recalls(ranks_of_scores(*loaded), loaded[1])


def warm_official() -> None:
    """Run topk once."""
    torch.zeros(20, 20).topk(10, dim=0)


def warm_ours() -> None:
    """Load our compiled code."""
    one = np.eye(2, dtype=np.float32)
    ranks_of_features(one, one, np.arange(2))
    ranks_of_scores(one, np.arange(2))


def _topk_recalls(scores_IT: torch.Tensor, owners: torch.Tensor) -> dict[str, Any]:
    """Source: unilm beit3/engine_for_finetuning.py, RetrievalHandler: six topk on one matrix."""
    image_ids = torch.arange(scores_IT.shape[0])
    found = {}
    for at in (1, 5, 10):
        of_images = owners[scores_IT.topk(at, dim=1).indices]
        of_texts = scores_IT.topk(at, dim=0).indices
        hits = (of_images == image_ids[:, None]).any(1)
        found[f"tr_at_{at}"] = round(100 * float(hits.double().mean()), 9)
        found[f"ir_at_{at}"] = round(100 * float((of_texts == owners).any(0).double().mean()), 9)
    return dict(sorted(found.items()))


def _recalls(ranks: Ranks, owners: NDArray[np.int64]) -> dict[str, Any]:
    scores = recall_scores(ranks, owners, interval=False)
    named = {score.name: round(score.value, 9) for score in scores if "_at_" in score.name}
    return dict(sorted((name, value) for name, value in named.items() if "mean" not in name))
