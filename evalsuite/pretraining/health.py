"""What masked pretraining has learnt: words hidden one at a time, with the image and without.

The total alone hides what is missing: a model that reads colours and places scores well and may
know no shape at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone, Features
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.data.images import ImageReader, eval_transform
from evalsuite.data.index import SampleIndex
from evalsuite.kinds.padding import padded
from evalsuite.pretraining.words import ANY, REST, kind_of
from evalsuite.tinyworld.marker import is_tinyworld

BATCH = 256  # hidden words that are predicted together


class Health(NamedTuple):
    """How often the `hidden` words of one kind are predicted right, in percent."""

    kind: str
    hidden: int
    with_image: float
    blank: float


class _Question(NamedTuple):
    """A caption with one word hidden, and the image that it is of."""

    image: int
    place: int
    kind: str
    words: list[int]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What is examined: a model with a word head `mlm_head`, and where its captions come from."""

    backbone: Backbone
    head: nn.Module
    tokenizer: Tokenizer
    data: Path
    index: SampleIndex
    max_text_tokens: int


@torch.inference_mode()
def word_health(work: Examination, num_captions: int) -> list[Health]:
    """Return what is predicted of each kind of word, kinds with most words first, "all" last.

    The kinds are those of the tiny world, whose other words are left out; other data has one kind
    of word. Captions are drawn from the split, the same in every call. A blank image is mid-grey.
    """
    drawn = np.random.default_rng(0).permutation(len(work.index))[:num_captions]
    places = [int(place) for place in sorted(drawn)]
    device = next(work.backbone.parameters()).device
    read = ImageReader(work.data, eval_transform(work.backbone.image_size), None)
    questions = _questions(work, places)
    work.backbone.eval()
    found: dict[str, list[tuple[bool, bool]]] = {}
    while batch := list(islice(questions, BATCH)):
        rows = {place: row for row, place in enumerate(sorted({one.image for one in batch}))}
        images = torch.stack([read(work.index[place].images[0], None) for place in rows])
        image_RHW = images[[rows[one.image] for one in batch]].to(device)
        blank_RHW = torch.zeros_like(image_RHW)
        right = [_is_right(work, image, batch) for image in (image_RHW, blank_RHW)]
        for one, seen, blank in zip(batch, *right, strict=True):
            found.setdefault(one.kind, []).append((seen, blank))
    kinds = sorted(found, key=lambda kind: -len(found[kind]))
    healths = [_health(kind, found[kind]) for kind in kinds]
    if len(healths) > 1:
        healths.append(_health("all", [one for kind in kinds for one in found[kind]]))
    return healths


def health_table(healths: Sequence[Health]) -> str:
    """Return the table as text."""
    lines = ["word kind    hidden   right with image, %   right with a blank image, %"]
    lines += [
        f"{one.kind:10} {one.hidden:8,} {one.with_image:22.1f} {one.blank:29.1f}" for one in healths
    ]
    return "\n".join(lines)


def _questions(work: Examination, places: Sequence[int]) -> Iterator[_Question]:
    """Yield every caption with each of its content words hidden in turn."""
    is_tiny = is_tinyworld(work.data)
    for image in places:
        words = work.tokenizer.encode(work.index[image].text, work.max_text_tokens)
        names = [work.tokenizer.decode([word]).strip() for word in words]
        for place in range(1, len(words) - 1):
            kind = kind_of(names, place) if is_tiny else ANY
            if kind != REST:
                yield _Question(image, place, kind, words)


def _is_right(work: Examination, image_RHW: Tensor, batch: Sequence[_Question]) -> list[bool]:
    """Return whether each hidden word is the likeliest of the vocabulary in its place."""
    device = image_RHW.device
    words_RL, padding_RL = padded([one.words for one in batch], work.tokenizer.pad_id)
    rows_R = torch.arange(len(batch))
    places_R = torch.tensor([one.place for one in batch])
    asked_R = words_RL[rows_R, places_R].clone()
    words_RL[rows_R, places_R] = work.tokenizer.mask_id
    features: Features = work.backbone(
        image_RHW, words_RL.to(device), padding_BT=padding_RL.to(device)
    )
    tokens_RD = features.tokens_BLD[rows_R, features.num_image_tokens + places_R]
    logits_RV: Tensor = work.head.get_submodule("mlm_head")(tokens_RD)
    right_R = logits_RV.argmax(dim=1).cpu() == asked_R
    return [bool(value) for value in right_R]


def _health(kind: str, outcomes: Sequence[tuple[bool, bool]]) -> Health:
    """Return the shares of right predictions in percent."""
    count = len(outcomes)
    seen, blank = (100 * sum(values) / count for values in zip(*outcomes, strict=True))
    return Health(kind, count, seen, blank)
