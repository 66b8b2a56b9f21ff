import math

import pytest
import torch
from torch import Tensor, nn

from evalsuite.contracts.backbone import Features
from evalsuite.heads.matching import RetrievalHead
from evalsuite.heads.pooled import AnswerHead, ImageClassHead, PairHead
from evalsuite.heads.words import WordHead

TOKENS = torch.randn(4, 9, 8, generator=torch.Generator().manual_seed(0))  # 5 image, 4 text
FEATURES = Features(TOKENS, None, 5)


def norm_then(x: Tensor, linear: nn.Linear) -> Tensor:
    """Return a linear layer of a fresh layer norm, written out."""
    scaled = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    return scaled @ linear.weight.T + linear.bias


# Keys and shapes of the official fine-tuned models for D = 8.
@pytest.mark.parametrize(
    ("head", "keys"),
    [
        (
            AnswerHead(8, 3),
            {
                "pooler.norm.weight": (8,),
                "pooler.norm.bias": (8,),
                "pooler.dense.weight": (8, 8),
                "pooler.dense.bias": (8,),
                "head.0.weight": (16, 8),
                "head.0.bias": (16,),
                "head.1.weight": (16,),
                "head.1.bias": (16,),
                "head.3.weight": (3, 16),
                "head.3.bias": (3,),
            },
        ),
        (
            PairHead(8),
            {
                "head.norm1.weight": (32,),
                "head.norm1.bias": (32,),
                "head.dense1.weight": (16, 32),
                "head.dense1.bias": (16,),
                "head.norm2.weight": (16,),
                "head.norm2.bias": (16,),
                "head.dense2.weight": (2, 16),
                "head.dense2.bias": (2,),
            },
        ),
        (
            RetrievalHead(8),
            {"language_head.weight": (8, 8), "vision_head.weight": (8, 8), "logit_scale": ()},
        ),
        (WordHead(8, 50), {"mlm_head.weight": (50, 8), "mlm_head.bias": (50,)}),
        (
            ImageClassHead(8, 10),
            {
                "fc_norm.weight": (8,),
                "fc_norm.bias": (8,),
                "head.weight": (10, 8),
                "head.bias": (10,),
            },
        ),
    ],
    ids=["vqa", "nlvr2", "retrieval", "captioning", "imagenet"],
)
def test_keys_and_shapes_are_the_official_ones(
    head: nn.Module, keys: dict[str, tuple[int, ...]]
) -> None:
    assert {key: tuple(tensor.shape) for key, tensor in head.state_dict().items()} == keys


@torch.no_grad()
def test_vqa_reads_the_class_token() -> None:
    head = AnswerHead(8, 3)
    hidden = head.head[0](torch.tanh(norm_then(TOKENS[:, 0], head.pooler.dense)))
    last = head.head[3]
    assert isinstance(last, nn.Linear)
    normed = nn.functional.layer_norm(hidden, (16,))
    erf_gelu = normed * 0.5 * (1 + torch.erf(normed / math.sqrt(2)))
    assert torch.allclose(head(FEATURES), erf_gelu @ last.weight.T + last.bias, atol=1e-6)


@torch.no_grad()
def test_nlvr2_joins_class_and_first_text_token_of_both_images() -> None:
    head = PairHead(8)
    first = torch.cat([TOKENS[:2, 0], TOKENS[:2, 5]], dim=1)
    second = torch.cat([TOKENS[2:, 0], TOKENS[2:, 5]], dim=1)
    hidden = norm_then(torch.cat([first, second], dim=1), head.head.dense1)
    hidden = nn.functional.gelu(nn.functional.layer_norm(hidden, (16,)))
    expected = hidden @ head.head.dense2.weight.T + head.head.dense2.bias
    assert head(FEATURES).shape == (2, 2)
    assert torch.allclose(head(FEATURES), expected, atol=1e-6)


@torch.no_grad()
def test_image_classes_come_from_the_mean_patch_without_class_token_or_text() -> None:
    head = ImageClassHead(8, 10)
    expected = norm_then(TOKENS[:, 1:5].mean(1), head.head)
    assert torch.allclose(head(FEATURES), expected, atol=1e-6)


@torch.no_grad()
def test_retrieval_compares_unit_vectors_at_temperature_007() -> None:
    head = RetrievalHead(8)
    image, text = (
        TOKENS[:, 0] @ head.vision_head.weight.T,
        TOKENS[:, 0] @ head.language_head.weight.T,
    )
    cosine = nn.functional.cosine_similarity(image[:, None], text[None], dim=-1)
    similarity = head(head.embed_images(FEATURES), head.embed_texts(FEATURES))
    assert torch.allclose(similarity, cosine / 0.07, atol=1e-4)


def test_heads_start_as_the_official_ones() -> None:
    vqa, nlvr2 = AnswerHead(64, 500), PairHead(64)
    assert float(vqa.head[3].get_parameter("weight").detach().abs().max()) <= 0.02
    assert float(nlvr2.head.dense1.weight.detach().abs().max()) <= 0.02 * 0.001
    assert not nlvr2.head.dense2.bias.any()
    assert torch.equal(vqa.pooler.dense.weight, AnswerHead(64, 500).pooler.dense.weight)
    assert not torch.equal(vqa.pooler.dense.weight, AnswerHead(64, 500, seed=1).pooler.dense.weight)
