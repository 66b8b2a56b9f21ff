"""What a backbone offers to every task, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from evalsuite.benchmark import Capability


class Features(NamedTuple):
    """Token features of a batch: image tokens first, then text tokens.

    `padding_BL` is True where there is no token, None where every position holds one.
    """

    tokens_BLD: Tensor
    padding_BL: Tensor | None
    num_image_tokens: int


class Backbone(nn.Module, ABC):
    """A pretrained encoder that knows nothing of tasks.

    Attributes:
        width: D, the size of a token feature.
        depth: number of layers.
        image_size: pixels per side of the square input.
        patch_size: pixels per side of a patch; a stated number of patches follows.
        vocab_size: rows of the text embedding.
        capabilities: which passes `forward` can do.
        prefix: what the backbone's keys start with in its family's files; head keys are bare.
        optional_keys: starts of own keys that a file may hold and a variant does without.
    """

    width: int
    depth: int
    image_size: int
    patch_size: int
    vocab_size: int
    capabilities: frozenset[Capability]
    prefix: str = "backbone."
    optional_keys: tuple[str, ...] = ()

    @abstractmethod
    def forward(
        self,
        image_BCHW: Tensor | None = None,
        text_BT: Tensor | None = None,
        *,
        padding_BT: Tensor | None = None,
        causal_text: bool = False,
    ) -> Features:
        """Return features of images alone, texts alone, or both fused.

        Args:
            padding_BT: True where the text holds no token.
            causal_text: text sees the image and the text before it; the image sees no text.

        Raises:
            ValueError: neither input, or an image of another size than `image_size`.
        """

    @abstractmethod
    def depth_of(self, parameter: str) -> int:
        """Return the layer of a parameter for layer-wise decay.

        0 are embeddings, 1 to depth the layers, depth + 1 what comes after them.
        """

    def decays(self, parameter: str) -> bool:
        """Return whether weight decay applies to a parameter: not to vectors and biases."""
        return self.get_parameter(parameter).ndim > 1 and not parameter.endswith(".bias")

    def to_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dictionary of this backbone under its family's keys, without prefix."""
        return dict(state)

    def from_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the family's keys, without prefix, as this backbone's; unknown ones unchanged."""
        return dict(state)

    def resized(self, key: str, tensor: Tensor) -> Tensor | None:
        """Return a weight of another input size fitted to this model, None where none is."""
        return None
