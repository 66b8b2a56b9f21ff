"""What a backbone offers to every task, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from evalsuite.contracts.benchmark import Capability


class Features(NamedTuple):
    """Token features of a batch: image tokens first, then text tokens.

    `padding_BL` is True where there is no token, None where every position holds one.
    """

    tokens_BLD: Tensor
    padding_BL: Tensor | None
    num_image_tokens: int


class Memory(NamedTuple):
    """Keys and values of tokens that later tokens attend to, one of each a layer.

    Each is `[R, H, T, D/H]`: rows, heads, tokens, width of a head.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def num_tokens(self) -> int:
        """Tokens remembered."""
        return self.keys[0].shape[2]

    def rows(self, rows_R: Tensor) -> "Memory":
        """Return the memory of chosen rows, in their order; a row may come more than once."""
        return Memory(
            tuple(key[rows_R] for key in self.keys), tuple(value[rows_R] for value in self.values)
        )

    def first(self, num_tokens: int) -> "Memory":
        """Return the memory of the first tokens only."""
        return Memory(
            tuple(key[:, :, :num_tokens] for key in self.keys),
            tuple(value[:, :, :num_tokens] for value in self.values),
        )


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

    def feature_maps(
        self,
        image_BCHW: Tensor,
        *,
        layers: tuple[int, ...] | None = None,
        window: int | None = None,
        global_layers: tuple[int, ...] = (),
    ) -> tuple[Tensor, ...]:
        """Return the patches of images alone as maps `[B, D, H, W]`, for dense prediction.

        Images of any size of whole patches are taken; positions are interpolated where it is not
        `image_size`. The last layer's map has passed the final norm, if there is one.

        Args:
            layers: after which layers, from 0; the last one only by default.
            window: patches per side of the windows that attention stays in; None attends globally.
            global_layers: layers that attend globally all the same.

        Raises:
            ValueError: the image's sides are not multiples of `patch_size`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no feature maps")

    def remember_image(self, image_BCHW: Tensor) -> Memory:
        """Return what text needs of the images; only with the capability "causal_text".

        Raises:
            ValueError: an image of another size than `image_size`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no causal text")

    def continue_text(
        self, text_RT: Tensor, image: Memory, past: Memory | None = None
    ) -> tuple[Tensor, Memory]:
        """Return features `[R, T, D]` of the next tokens of texts, and the memory of all so far.

        Equal to the text part of `forward(..., causal_text=True)` over the whole text, at the cost
        of the new tokens. Several rows may share an image: beams.

        Args:
            text_RT: next tokens; rows of one image stand together, and all images have as many.
            past: of the tokens before these, None at the start of a text.
        """
        raise NotImplementedError(f"{type(self).__name__} has no causal text")

    @abstractmethod
    def depth_of(self, parameter: str) -> int:
        """Return the layer of a parameter for layer-wise decay.

        0 are embeddings, 1 to depth the layers, depth + 1 what comes after them.
        """

    def decays(self, parameter: str) -> bool:
        """Return whether weight decay applies to a parameter: not to vectors and biases."""
        return self.get_parameter(parameter).ndim > 1 and not parameter.endswith(".bias")

    def initialise_head(self, head: nn.Module, seed: int) -> None:
        """Draw a new head's starting weights anew where this backbone wants another scale."""

    def to_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dictionary of this backbone under its family's keys, without prefix."""
        return dict(state)

    def from_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the family's keys, without prefix, as this backbone's; unknown ones unchanged."""
        return dict(state)

    def resized(self, key: str, tensor: Tensor) -> Tensor | None:
        """Return a weight of another input size fitted to this model, None where none is."""
        return None
