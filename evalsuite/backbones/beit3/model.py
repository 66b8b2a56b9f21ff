"""BEiT-3: one transformer over image patches and words, with experts per modality."""

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from evalsuite.backbones.beit3 import keys as beit3_keys
from evalsuite.backbones.beit3.config import CONFIGS, Beit3Config
from evalsuite.backbones.beit3.dense import grid_states
from evalsuite.backbones.beit3.embedding import (
    FIRST_POSITION,
    VisionEmbedding,
    image_tokens,
    text_tokens,
)
from evalsuite.backbones.beit3.incremental import continued, remembered
from evalsuite.backbones.beit3.init import (
    initialise_official,
    initialise_tiny,
    initialise_tiny_head,
)
from evalsuite.backbones.beit3.multiway import (
    IMAGE,
    LAYER_NORM_EPS,
    TEXT,
    Layer,
    prefix_mask,
    through_layers,
)
from evalsuite.backbones.beit3.positions import regridded, side_of
from evalsuite.contracts.backbone import Backbone, Features, Memory
from evalsuite.contracts.benchmark import Capability
from evalsuite.records.errors import UserError

UNDECAYED = ("embed_positions.A.weight", "cls_token")


class Beit3(Backbone):
    """BEiT-3 as released (or as in the paper, for the giant).

    Args:
        seed: of the starting weights; None leaves all parameters on the meta device, without
            memory, until `load_weights` brings them.
    """

    capabilities: frozenset[Capability] = frozenset(("image", "text", "fused", "causal_text"))
    prefix = "beit3."
    optional_keys = ("final_norm.",)

    def __init__(self, config: Beit3Config, seed: int | None = 0) -> None:
        super().__init__()
        if config.image_size % config.patch_size:
            raise UserError(
                f"image size {config.image_size} is not a multiple of {config.name}'s "
                f"patch size {config.patch_size}"
            )
        self.config = config
        self.width = config.width
        self.depth = config.depth
        self.image_size = config.image_size
        self.patch_size = config.patch_size
        self.vocab_size = config.vocab_size
        # Built without memory first, so that no default initialisation is computed and lost.
        with torch.device("meta"):
            self._build(config)
        if seed is not None and not torch.empty(0).is_meta:
            self.to_empty(device="cpu")
            initialise = {"official": initialise_official, "tiny": initialise_tiny}[config.init]
            initialise(self, config.width, torch.Generator().manual_seed(seed))

    def _build(self, config: Beit3Config) -> None:
        """Create the modules."""
        width = config.width
        self.text_embed = nn.Embedding(config.vocab_size, width)
        self.vision_embed = VisionEmbedding(width, config.patch_size)
        # Rows: two unused, the class token, the patches row by row.
        rows = {IMAGE: FIRST_POSITION + 1 + config.num_patches, TEXT: config.num_text_positions}
        self.embed_positions = nn.ModuleDict({m: nn.Embedding(n, width) for m, n in rows.items()})
        self.layers = nn.ModuleList(
            Layer(
                width,
                config.num_heads,
                config.ffn_width,
                shared_attention=config.shared_attention,
                fusion_expert=index >= config.depth - config.num_fusion_layers,
                drop_path=config.drop_path * index / max(config.depth - 1, 1),
            )
            for index in range(config.depth)
        )
        norms = (IMAGE, TEXT) if config.final_norm else ()
        self.final_norm = nn.ModuleDict({m: nn.LayerNorm(width, LAYER_NORM_EPS) for m in norms})

    def forward(
        self,
        image_BCHW: Tensor | None = None,
        text_BT: Tensor | None = None,
        *,
        padding_BT: Tensor | None = None,
        causal_text: bool = False,
        masked_BN: Tensor | None = None,
    ) -> Features:
        """Return features of images alone, texts alone, or both fused.

        Args:
            padding_BT: True where the text holds no token.
            causal_text: text sees the image and the text before it; the image sees no text.
            masked_BN: True for image patches to hide behind the mask token (pre-training).

        Raises:
            ValueError: neither input, an image of another size, or a text that is too long.
        """
        streams: dict[str, Tensor] = {}
        if image_BCHW is not None:
            streams[IMAGE] = self.embed_image(image_BCHW, masked_BN)
        if text_BT is not None:
            streams[TEXT] = self.embed_text(text_BT, padding_BT)
        if not streams:
            raise ValueError("neither images nor texts: a backbone needs one of them")
        num_image_tokens = streams[IMAGE].shape[1] if IMAGE in streams else 0
        padding_BL = None
        if padding_BT is not None and text_BT is not None:
            padding_BL = nn.functional.pad(padding_BT.bool(), (num_image_tokens, 0))
        attend = None if padding_BL is None else ~padding_BL[:, None, None, :]
        if causal_text and text_BT is not None:
            visible = prefix_mask(num_image_tokens, text_BT.shape[1], text_BT.device)
            attend = visible if attend is None else attend & visible
        streams = through_layers(self.layers, streams, attend, saving=self._saves_memory())
        tokens_BLD = torch.cat(list(self.normed(streams).values()), dim=1)
        return Features(tokens_BLD, padding_BL, num_image_tokens)

    def feature_maps(
        self,
        image_BCHW: Tensor,
        *,
        layers: tuple[int, ...] | None = None,
        window: int | None = None,
        global_layers: tuple[int, ...] = (),
    ) -> tuple[Tensor, ...]:
        """Return the patches of images of any size as maps `[B, D, H, W]`."""
        last = self.depth - 1
        wanted = (last,) if layers is None else layers
        height, width = (side // self.patch_size for side in image_BCHW.shape[2:])
        windows = [None if index in global_layers else window for index in range(self.depth)]
        tokens_BLD = self._embed_any_size(image_BCHW)
        states = grid_states(
            self.layers, tokens_BLD, (height, width), windows, saving=self._saves_memory()
        )
        maps = {}
        for index, state_BLD in enumerate(states):
            if index in wanted:
                seen = self.normed({IMAGE: state_BLD})[IMAGE] if index == last else state_BLD
                maps[index] = seen[:, 1:].transpose(1, 2).reshape(len(seen), -1, height, width)
        return tuple(maps[index] for index in wanted)

    def remember_image(self, image_BCHW: Tensor) -> Memory:
        """Return what text needs of the images, whatever the text will be."""
        return remembered(self.layers, self.embed_image(image_BCHW))

    def continue_text(
        self, text_RT: Tensor, image: Memory, past: Memory | None = None
    ) -> tuple[Tensor, Memory]:
        """Return features `[R, T, D]` of the next tokens, and the memory of all tokens so far."""
        before = 0 if past is None else past.num_tokens
        tokens_RTD = self.embed_text(text_RT, first=before)
        tokens_RTD, memory = continued(self.layers, tokens_RTD, image, past)
        return self.normed({TEXT: tokens_RTD})[TEXT], memory

    def _saves_memory(self) -> bool:
        """Return whether only the layers' inputs are kept for the backward pass."""
        return self.config.activation_checkpointing and torch.is_grad_enabled()

    def normed(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the streams after the final norm of their modality, if there is one."""
        if not self.config.final_norm:
            return dict(streams)
        return {m: self.final_norm[m](x) for m, x in streams.items()}

    def embed_image(self, image_BCHW: Tensor, masked_BN: Tensor | None = None) -> Tensor:
        """Return image tokens with their positions, `[B, 1 + patches, D]`.

        Raises:
            ValueError: the image is not `image_size` pixels per side.
        """
        if image_BCHW.shape[1:] != (3, self.image_size, self.image_size):
            raise ValueError(
                f"images of shape {tuple(image_BCHW.shape)}: {self.config.name} takes "
                f"[B, 3, {self.image_size}, {self.image_size}]"
            )
        table_PD = self.embed_positions[IMAGE].get_parameter("weight")
        return image_tokens(self.vision_embed, table_PD, image_BCHW, masked_BN=masked_BN)

    def _embed_any_size(self, image_BCHW: Tensor) -> Tensor:
        """Return image tokens with positions interpolated to the image's patches.

        Raises:
            ValueError: its sides are not multiples of the patch size.
        """
        if any(side % self.patch_size for side in image_BCHW.shape[2:]):
            raise ValueError(
                f"images of shape {tuple(image_BCHW.shape)}: both sides must be multiples of "
                f"{self.config.name}'s patch size {self.patch_size}"
            )
        own = self.image_size // self.patch_size
        height, width = (side // self.patch_size for side in image_BCHW.shape[2:])
        table_PD = self.embed_positions[IMAGE].get_parameter("weight")
        is_tiny = self.config.init == "tiny"
        positions_PD = regridded(table_PD, (own, own), (height, width), began_as_sines=is_tiny)
        return image_tokens(self.vision_embed, positions_PD, image_BCHW)

    def embed_text(
        self, text_BT: Tensor, padding_BT: Tensor | None = None, *, first: int = 0
    ) -> Tensor:
        """Return text tokens with their positions, `[B, T, D]`, zero where padded.

        Args:
            first: how many tokens of the text came before these.

        Raises:
            ValueError: the text is longer than the position table.
        """
        table_PD = self.embed_positions[TEXT].get_parameter("weight")
        return text_tokens(self.text_embed, table_PD, text_BT, padding_BT, first)

    def depth_of(self, parameter: str) -> int:
        """Return the layer of a parameter for layer-wise decay.

        Source: unilm beit3/optim_factory.py get_num_layer_for_vit @768a3c8; "embed" anywhere
        means 0, so both position tables are embeddings, and the final norm belongs to the top.
        """
        if "embed" in parameter:
            return 0
        layer = re.match(r"layers\.(\d+)\.", parameter)
        return self.depth + 1 if layer is None else int(layer.group(1)) + 1

    def decays(self, parameter: str) -> bool:
        """Return whether weight decay applies to a parameter.

        The official rule is asymmetric, and kept: image positions and the class token are exempt,
        text positions and the mask token are not.

        Source: unilm beit3/optim_factory.py and BEiT3Wrapper.no_weight_decay @768a3c8.
        """
        return super().decays(parameter) and not parameter.endswith(UNDECAYED)

    def initialise_head(self, head: nn.Module, seed: int) -> None:
        """Draw the linear layers of a tiny model's head as wide as those of the model itself."""
        if self.config.init == "tiny":
            initialise_tiny_head(head, torch.Generator().manual_seed(seed))

    def to_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dictionary of this model under the released files' keys."""
        return beit3_keys.to_official(state)

    def from_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the released files' keys as this model's."""
        return beit3_keys.from_official(state)

    def resized(self, key: str, tensor: Tensor) -> Tensor | None:
        """Return image positions interpolated to this model's patches; nothing else resizes.

        Raises:
            UserError: the table is not one of a square of patches.
        """
        if key != "embed_positions.A.weight" or tensor.shape[1:] != (self.width,):
            return None
        side, own = side_of(len(tensor)), self.image_size // self.patch_size
        is_tiny = self.config.init == "tiny"
        return regridded(tensor, (side, side), (own, own), began_as_sines=is_tiny)


def beit3(
    name: str,
    *,
    image_size: int | None = None,
    vocab_size: int | None = None,
    final_norm: bool = True,
    drop_path: float = 0.0,
    activation_checkpointing: bool = False,
    seed: int | None = 0,
) -> Beit3:
    """Return the named BEiT-3 with starting weights drawn from the seed (None: no weights yet).

    Raises:
        UserError: there is no model of that name, or the size does not fit its patches.
    """
    if name not in CONFIGS:
        raise UserError(f"no BEiT-3 named {name!r}; there are {', '.join(CONFIGS)}")
    config = CONFIGS[name]
    config = replace(
        config,
        image_size=image_size or config.image_size,
        vocab_size=vocab_size or config.vocab_size,
        final_norm=final_norm,
        drop_path=drop_path,
        activation_checkpointing=activation_checkpointing,
    )
    return Beit3(config, seed)
