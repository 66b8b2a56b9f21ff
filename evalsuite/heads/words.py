"""Official captioning head and loss: every token predicts a word."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.heads.pooled import initialise_linear


class WordHead(nn.Module):
    """Vocabulary logits of single tokens; the pretrained files hold a word head to start from."""

    def __init__(self, width: int, vocab_size: int, *, seed: int = 0) -> None:
        super().__init__()
        self.mlm_head = nn.Linear(width, vocab_size)
        initialise_linear(self, seed)

    def forward(self, tokens_ND: Tensor) -> Tensor:
        """Return logits `[..., vocabulary]` of the tokens `[..., D]`.

        Pass only the tokens that are needed: a large vocabulary makes this the costliest product.
        """
        logits_NV: Tensor = self.mlm_head(tokens_ND)
        return logits_NV


def word_losses(logits_NV: Tensor, words_N: Tensor, smoothing: float) -> Tensor:
    """Return each prediction's divergence from its smoothed target, `[N]` in fp32, nats.

    The target holds 1 - `smoothing` on its word and shares the rest among all others. A divergence,
    not a cross-entropy: the target's own entropy is taken off, so that perfect is 0.

    Source: unilm beit3/utils.py BertCaptioningLoss @768a3c8.
    """
    log_NV = F.log_softmax(logits_NV.float(), dim=1)
    others = log_NV.shape[1] - 1
    log_N = log_NV.gather(1, words_N[:, None])[:, 0]
    rest_N = log_NV.sum(dim=1) - log_N
    cross_N = -(1 - smoothing) * log_N - smoothing / others * rest_N
    return cross_N - _entropy(1 - smoothing) - _entropy(smoothing) - smoothing * math.log(others)


def without_worst(losses_N: Tensor, share: float) -> Tensor:
    """Return the losses without the largest: `share` of them, rounded up; one stays.

    Source: unilm beit3/utils.py BertCaptioningLoss @768a3c8.
    """
    kept = max(1, int(len(losses_N) * (1 - share)))
    return losses_N.topk(kept, largest=False).values


def _entropy(chance: float) -> float:
    """Return -p ln p in nats."""
    return -chance * math.log(chance) if chance > 0 else 0.0
