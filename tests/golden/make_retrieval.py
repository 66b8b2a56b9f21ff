"""Make retrieval.json: small features with the recalls of BEiT-3's rule, topk in both directions.

Source of the rule: unilm beit3/engine_for_finetuning.py, RetrievalHandler. No scores tie, since
topk leaves the order of equal scores open. Run `python tests/golden/make_retrieval.py`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch


def main() -> None:
    """Write the golden file beside this script."""
    generator = np.random.default_rng(0)
    cases = [
        _case(generator, "five texts an image", np.repeat(np.arange(15), 5), 0.0),
        _case(generator, "all scores negative", np.repeat(np.arange(12), 2), -40.0),
        _case(generator, "uneven and in no order", generator.permutation([*range(12)] * 3), 0.0),
        _case(generator, "seven texts of one image", np.array([*range(11), *[3] * 6]), 0.0),
    ]
    Path(__file__).with_name("retrieval.json").write_text(json.dumps(cases) + "\n")


def _case(
    generator: np.random.Generator, name: str, image_of_text: Any, shift: float
) -> dict[str, Any]:
    owners = torch.from_numpy(np.asarray(image_of_text, dtype=np.int64))
    images = generator.integers(-900, 900, (int(owners.max()) + 1, 4)) / 256
    texts = (256 * images[owners] + generator.integers(-300, 300, (len(owners), 4))) / 256
    images[:, 3], texts[:, 3] = 1.0, shift
    scores = torch.from_numpy(images.astype(np.float32) @ texts.astype(np.float32).T)
    assert np.unique(scores.numpy()).size == scores.numel(), "a tie; change the seed"
    found = {}
    for at in (1, 5, 10):
        by_image = owners[scores.topk(at, dim=1).indices]
        by_text = scores.topk(at, dim=0).indices
        hits = (by_image == torch.arange(len(images))[:, None]).any(1)
        found[f"tr_at_{at}"] = 100 * float(hits.float().mean())
        found[f"ir_at_{at}"] = 100 * float((by_text == owners).any(0).float().mean())
    return {
        "name": name,
        "images": images.tolist(),
        "texts": texts.tolist(),
        "image_of_text": owners.tolist(),
        "scores": found,
    }


if __name__ == "__main__":
    main()
