"""Visual tokens: the code of every patch of a clear image, from a tokenizer's file.

Axes: N patches of an image, K codes, C width of a code, P = 3 * pixels of a patch.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.beit3.recognise import recognise
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.backbones.loading import load_weights
from evalsuite.contracts.backbone import Backbone
from evalsuite.records.errors import UserError

PIXEL_KEY = "pixel_codebook"
CODE_KEY = "quantizer.codes_KC"
HINT = "make one with `evalsuite pretrain --stage tokenizer`"


class Codes(nn.Module):
    """A frozen tokenizer.

    Attributes:
        num_codes: K.
    """

    num_codes: int

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return the code of every patch, `[B, N]` from 0 to K - 1."""
        raise NotImplementedError


class PixelCodes(Codes):
    """The nearest of K typical patches, pixel by pixel."""

    def __init__(self, codebook_KP: Tensor) -> None:
        super().__init__()
        self.num_codes = len(codebook_KP)
        self.patch_size = math.isqrt(codebook_KP.shape[1] // 3)
        self.codebook_KP: Tensor
        self.register_buffer("codebook_KP", codebook_KP)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return the code of every patch, `[B, N]`."""
        patches_BNP = patches_of(image_BCHW, self.patch_size)
        return nearest(patches_BNP.flatten(0, 1), self.codebook_KP).view(patches_BNP.shape[:2])


class LearntCodes(Codes):
    """The nearest code of a trained encoder's patch features.

    `encoder` maps features `[..., D]` to `[..., C]`; the codes are unit vectors.
    """

    def __init__(self, backbone: Backbone, encoder: nn.Module, codes_KC: Tensor) -> None:
        super().__init__()
        self.num_codes = len(codes_KC)
        self.backbone, self.encoder = backbone, encoder
        self.codes_KC: Tensor
        self.register_buffer("codes_KC", codes_KC)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return the code of every patch, `[B, N]`."""
        unit_BNC = encoded(self.backbone, self.encoder, image_BCHW)
        return nearest(unit_BNC.flatten(0, 1), self.codes_KC).view(unit_BNC.shape[:2])


def patches_of(image_BCHW: Tensor, patch_size: int) -> Tensor:
    """Return the pixels of every patch, `[B, N, P]`, patches row by row."""
    return F.unfold(image_BCHW, patch_size, stride=patch_size).transpose(1, 2)


def nearest(points_MC: Tensor, codes_KC: Tensor) -> Tensor:
    """Return the index of the nearest code of every point, `[M]`."""
    # |p - c|^2 without |p|^2, which is the same for all codes.
    distance_MK = codes_KC.square().sum(dim=1) - 2 * points_MC @ codes_KC.T
    return distance_MK.argmin(dim=1)


def encoder_of(width: int, code_width: int) -> nn.Sequential:
    """Return what maps a patch's features to a code's width.

    Source: unilm beit2/modeling_vqkd.py encode_task_layer @768a3c8.
    """
    return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, code_width))


def encoded(backbone: nn.Module, encoder: nn.Module, image_BCHW: Tensor) -> Tensor:
    """Return unit vectors `[B, N, C]` of the patches, in fp32."""
    patches_BND = backbone(image_BCHW).tokens_BLD[:, 1:]
    return F.normalize(encoder(patches_BND).float(), dim=-1)


def read_codes(path: Path, backbone: Backbone) -> Codes:
    """Return the tokenizer of a file, frozen, fit for the images of a backbone.

    Raises:
        UserError: the file is no tokenizer, or has other patches or another image size.
    """
    state = read_checkpoint(path)
    codes = _pixel_codes(state, path, backbone) if PIXEL_KEY in state else None
    if codes is None:
        codes = _learnt_codes(state, path, backbone)
    return codes.requires_grad_(False).eval()


def _pixel_codes(state: Mapping[str, Tensor], path: Path, backbone: Backbone) -> Codes:
    """Return a file's clustered pixels.

    Raises:
        UserError: they are of patches of another size.
    """
    codes = PixelCodes(state[PIXEL_KEY])
    check_same(path, "patches", codes.patch_size, backbone.patch_size)
    return codes


def _learnt_codes(state: Mapping[str, Tensor], path: Path, backbone: Backbone) -> Codes:
    """Return a file's trained encoder and codes.

    Raises:
        UserError: it holds none, or those of other images.
    """
    if CODE_KEY not in state:
        found = ", ".join(list(state)[:3])
        raise UserError(f"{path}: not a visual tokenizer: it holds {found}; {HINT}")
    found_in = recognise(state, str(path))
    if found_in.backbone is None:
        raise UserError(f"{path}: the tokenizer's encoder has no known size; {HINT}")
    own = beit3(found_in.backbone, image_size=found_in.image_size, seed=None)
    check_same(path, "patches", own.patch_size, backbone.patch_size)
    check_same(path, "images", own.image_size, backbone.image_size)
    codes_KC = state[CODE_KEY]
    with torch.device("meta"):
        head = nn.ModuleDict({"encoder": encoder_of(own.width, codes_KC.shape[1])})
    load_weights(own, head, state, source=str(path))
    return LearntCodes(own, head["encoder"], codes_KC)


def check_same(path: Path, what: str, found: int, wanted: int) -> None:
    """Check a size in pixels per side.

    Raises:
        UserError: it is another one.
    """
    if found != wanted:
        raise UserError(
            f"{path}: for {what} of {found} pixels per side; the backbone's have {wanted}: "
            f"{HINT} for it"
        )
