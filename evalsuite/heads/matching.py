"""Official retrieval head: images and texts as unit vectors in one space."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.contracts.backbone import Features
from evalsuite.heads.pooled import initialise_linear

START_SCALE = math.log(1 / 0.07)  # unilm beit3/modeling_finetune.py BEiT3ForRetrieval @768a3c8


class RetrievalHead(nn.Module):
    """One product per modality over its first token, and a learnt scale of similarities."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.language_head = nn.Linear(width, width, bias=False)
        self.vision_head = nn.Linear(width, width, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(START_SCALE))
        initialise_linear(self, seed)

    def embed_images(self, features: Features) -> Tensor:
        """Return unit vectors `[B, D]` of an image-only pass."""
        return _unit(self.vision_head, features.tokens_BLD[:, 0])

    def embed_texts(self, features: Features) -> Tensor:
        """Return unit vectors `[B, D]` of a text-only pass."""
        return _unit(self.language_head, features.tokens_BLD[:, 0])

    def forward(self, images_ID: Tensor, texts_TD: Tensor) -> Tensor:
        """Return scaled similarities `[I, T]` of embedded images and texts; never clamped."""
        return self.logit_scale.exp() * images_ID @ texts_TD.T


def _unit(linear: nn.Linear, tokens_BD: Tensor) -> Tensor:
    """Return unit vectors in fp32: in half precision near neighbours would tie."""
    with torch.autocast(tokens_BD.device.type, enabled=False):
        return F.normalize(linear(tokens_BD.float()), dim=-1)
