"""A plain transformer layer, for what is thrown away after pretraining."""

from torch import Tensor, nn

from evalsuite.backbones.beit3.multiway import Attention, FeedForward, mix, split_heads

HEAD_WIDTH = 32  # of attention; divides the width of every backbone


class PlainLayer(nn.Module):
    """Attention and feed-forward over tokens of one kind, with the backbone's norms."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_heads = width // HEAD_WIDTH
        self.attention = Attention(width)
        self.ffn = FeedForward(width, 4 * width)

    def forward(self, tokens_BLD: Tensor, attend: Tensor | None = None) -> Tensor:
        """Return the tokens after this layer.

        Args:
            attend: True where a query may see a key, as `multiway.mix` takes it.
        """
        query, key, value = split_heads(self.attention.project(tokens_BLD), self.num_heads)
        tokens_BLD = tokens_BLD + self.attention.finish(mix(query, key, value, attend))
        after_BLD: Tensor = tokens_BLD + self.ffn(tokens_BLD)
        return after_BLD
