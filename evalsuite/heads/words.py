"""Official captioning head: every token predicts a word."""

from torch import Tensor, nn

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
