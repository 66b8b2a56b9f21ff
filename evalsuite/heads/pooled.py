"""Official heads that pool features into one vector: of answers, pairs of images and classes.

Axes: B batch, L tokens, D width, C classes. Keys and starting weights are those of the released
files; sources are unilm beit3/modeling_finetune.py @768a3c8.
"""

import torch
from torch import Generator, Tensor, nn

from evalsuite.backbones.beit3.init import fill_truncated
from evalsuite.contracts.backbone import Features

LAYER_NORM_EPS = 1e-5
SMALL_INIT = 0.001


def initialise_linear(head: nn.Module, seed: int) -> None:
    """Fill every linear layer of a head as the official code does; norms keep 1 and 0."""
    generator = Generator().manual_seed(seed)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            fill_truncated(module.weight, generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Pooler(nn.Module):
    """Norm, dense and tanh over one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.dense = nn.Linear(width, width)

    def forward(self, token_BD: Tensor) -> Tensor:
        """Return `[B, D]` between -1 and 1."""
        pooled: Tensor = torch.tanh(self.dense(self.norm(token_BD)))
        return pooled


class AnswerHead(nn.Module):
    """Answer logits from the image's class token; its backbone has no final norm."""

    def __init__(self, width: int, num_answers: int, *, seed: int = 0) -> None:
        super().__init__()
        self.pooler = Pooler(width)
        self.head = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.LayerNorm(2 * width, eps=LAYER_NORM_EPS),
            nn.GELU(),
            nn.Linear(2 * width, num_answers),
        )
        initialise_linear(self, seed)

    def forward(self, features: Features) -> Tensor:
        """Return logits `[B, C]`."""
        logits_BC: Tensor = self.head(self.pooler(features.tokens_BLD[:, 0]))
        return logits_BC


class TwoLayerMlp(nn.Module):
    """Norm, dense, norm, GELU, dense."""

    def __init__(self, in_width: int, hidden_width: int, num_classes: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(in_width, eps=LAYER_NORM_EPS)
        self.dense1 = nn.Linear(in_width, hidden_width)
        self.norm2 = nn.LayerNorm(hidden_width, eps=LAYER_NORM_EPS)
        self.act = nn.GELU()
        self.dense2 = nn.Linear(hidden_width, num_classes)

    def forward(self, vector_BD: Tensor) -> Tensor:
        """Return logits `[B, C]`."""
        hidden = self.act(self.norm2(self.dense1(self.norm1(vector_BD))))
        logits_BC: Tensor = self.dense2(hidden)
        return logits_BC


class PairHead(nn.Module):
    """Logits of a statement about two images, each read with the statement in one fused pass."""

    def __init__(self, width: int, num_classes: int = 2, *, seed: int = 0) -> None:
        super().__init__()
        self.head = TwoLayerMlp(4 * width, 2 * width, num_classes)
        initialise_linear(self, seed)
        with torch.no_grad():
            self.head.dense1.weight.mul_(SMALL_INIT)
            self.head.dense2.weight.mul_(SMALL_INIT)

    def forward(self, features: Features) -> Tensor:
        """Return logits `[B, C]` of features `[2B, L, D]`: all first images, then all second.

        An image-statement pair is its class token beside its first text token.
        """
        image_token = features.tokens_BLD[:, 0]
        text_token = features.tokens_BLD[:, features.num_image_tokens]
        first, second = torch.cat([image_token, text_token], dim=1).chunk(2)
        logits_BC: Tensor = self.head(torch.cat([first, second], dim=1))
        return logits_BC


class ImageClassHead(nn.Module):
    """Class logits from the mean patch token; its backbone has no final norm."""

    def __init__(self, width: int, num_classes: int = 1000, *, seed: int = 0) -> None:
        super().__init__()
        self.fc_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.head = nn.Linear(width, num_classes)
        initialise_linear(self, seed)
        with torch.no_grad():
            self.head.weight.mul_(SMALL_INIT)
            self.head.bias.mul_(SMALL_INIT)

    def forward(self, features: Features) -> Tensor:
        """Return logits `[B, C]`."""
        return self.classify(self.pooled(features))

    def pooled(self, features: Features) -> Tensor:
        """Return the mean patch token `[B, D]`; the class token is left out of it."""
        return features.tokens_BLD[:, 1 : features.num_image_tokens].mean(dim=1)

    def classify(self, mean_BD: Tensor) -> Tensor:
        """Return logits `[B, C]` of pooled features."""
        logits_BC: Tensor = self.head(self.fc_norm(mean_BD))
        return logits_BC
