from dataclasses import replace

import pytest
import torch
from torch import Tensor

from evalsuite.backbones.beit3.config import CONFIGS, Beit3Config
from evalsuite.backbones.beit3.model import Beit3
from evalsuite.contracts.backbone import Features

SMALL = replace(CONFIGS["beit3_tiny"], vocab_size=100)
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
TEXTS = torch.randint(0, 100, (6, 7), generator=torch.Generator().manual_seed(2))  # 3 an image
RELEASED, PAPER = SMALL, replace(SMALL, shared_attention=True, num_fusion_layers=2)


def text_tokens(model: Beit3, texts: Tensor) -> Tensor:
    features: Features = model(IMAGES.repeat_interleave(3, 0), texts, causal_text=True)
    return features.tokens_BLD[:, features.num_image_tokens :]


@pytest.mark.parametrize("config", [RELEASED, PAPER], ids=["released", "paper"])
@torch.no_grad()
def test_text_in_steps_equals_text_at_once(config: Beit3Config) -> None:
    model = Beit3(config).eval()
    image, past, steps = model.remember_image(IMAGES), None, []
    for text in torch.split(TEXTS, [2, 1, 3, 1], dim=1):
        tokens, past = model.continue_text(text, image, past)
        steps.append(tokens)
    assert float((torch.cat(steps, 1) - text_tokens(model, TEXTS)).abs().max()) <= 1e-5


@torch.no_grad()
def test_beams_may_swap_and_a_trailing_token_may_be_forgotten() -> None:
    model = Beit3(SMALL).eval()
    image = model.remember_image(IMAGES)
    swapped = torch.tensor([2, 0, 0, 4, 5, 3])
    _, past = model.continue_text(TEXTS[:, :4], image)
    tokens, _ = model.continue_text(TEXTS[swapped, 3:], image, past.first(3).rows(swapped))
    assert float((tokens - text_tokens(model, TEXTS)[swapped, 3:]).abs().max()) <= 1e-5


@torch.no_grad()
def test_one_text_an_image_may_become_several() -> None:
    model = Beit3(SMALL).eval()
    image = model.remember_image(IMAGES)
    begun, past = model.continue_text(TEXTS[[0, 3], :1], image)
    several = past.rows(torch.tensor([0, 0, 0, 1, 1, 1]))
    begin = TEXTS[[0, 0, 0, 3, 3, 3], :1]
    whole = torch.cat([begin, TEXTS[:, 1:]], dim=1)
    tokens, _ = model.continue_text(TEXTS[:, 1:], image, several)
    features = text_tokens(model, whole)
    assert float((tokens - features[:, 1:]).abs().max()) <= 1e-5
    assert float((begun - features[[0, 3], :1]).abs().max()) <= 1e-5
