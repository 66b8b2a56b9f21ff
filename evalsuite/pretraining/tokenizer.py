"""The visual tokenizer in training: codes from which the patches of an image can be made again.

Axes: B images, N patches, M points, K codes, C width of a code, D width, P = 3 * pixels of a patch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.backbones.beit3.init import sine_positions
from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.heads.pooled import initialise_linear
from evalsuite.kinds.retrieval.gathering import num_processes
from evalsuite.pretraining.codes import PIXEL_KEY, encoded, encoder_of, nearest, patches_of
from evalsuite.pretraining.crops import crop_reader
from evalsuite.pretraining.layers import PlainLayer
from evalsuite.pretraining.recipes import TokenizerRecipe

Batch = Mapping[str, Tensor]
SPLIT_NOISE = 0.01  # ours: how far apart the halves of a split code begin


class Quantizer(nn.Module):
    """A codebook of unit vectors that follows the means of what falls to each code.

    What a step's micro-batches and processes find is added up and counts at the next step, so that
    the codes do not depend on how the batch was cut. The buffers make a resumed run exact.

    Source: arXiv:2208.06366 and unilm beit2/norm_ema_quantizer.py @768a3c8; codes that die take
    over half of a busy one, as in Linde, Buzo and Gray (1980).
    """

    codes_KC: Tensor
    mean_counts_K: Tensor
    mean_sums_KC: Tensor
    step_counts_K: Tensor
    step_sums_KC: Tensor
    step: Tensor

    def __init__(self, recipe: TokenizerRecipe, *, seed: int) -> None:
        super().__init__()
        self._decay, self._dead_below = recipe.code_decay, recipe.dead_below
        shape = (recipe.num_codes, recipe.code_width)
        codes_KC = F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
        self.register_buffer("codes_KC", codes_KC)
        # Random codes weigh next to nothing: those that no point is near die at the first step.
        start = recipe.dead_below / 2
        self.register_buffer("mean_counts_K", torch.full((shape[0],), start))
        self.register_buffer("mean_sums_KC", start * codes_KC)
        self.register_buffer("step_counts_K", torch.zeros(shape[0]))
        self.register_buffer("step_sums_KC", torch.zeros(shape))
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, unit_BNC: Tensor) -> Tensor:
        """Return the codes `[B, N, C]` of unit vectors."""
        codes_M = nearest(unit_BNC.flatten(0, 1), self.codes_KC)
        return self.codes_KC[codes_M].view(unit_BNC.shape)

    @torch.no_grad()
    def note(self, unit_BNC: Tensor) -> None:
        """Add points, of all processes, to what the codes move to at the next step."""
        points_MC = unit_BNC.flatten(0, 1)
        codes_M = nearest(points_MC, self.codes_KC)
        chosen_MK = F.one_hot(codes_M, len(self.codes_KC)).to(points_MC.dtype)
        counts_K, sums_KC = chosen_MK.sum(dim=0), chosen_MK.T @ points_MC
        if num_processes() > 1:
            dist.all_reduce(counts_K)
            dist.all_reduce(sums_KC)
        self.step_counts_K += counts_K
        self.step_sums_KC += sums_KC

    @torch.no_grad()
    def begin(self, step: int) -> None:
        """Move the codes by what was noted since the last step, once a step."""
        if int(self.step) == step:
            return
        self.step.fill_(step)
        # In shares of an even one, so that a code's weight does not depend on the batch size.
        even = self.step_counts_K.sum().clamp(min=1) / len(self.codes_KC)
        self.mean_counts_K.lerp_(self.step_counts_K / even, 1 - self._decay)
        self.mean_sums_KC.lerp_(self.step_sums_KC / even, 1 - self._decay)
        self._split_busy(step)
        self.codes_KC.copy_(F.normalize(self.mean_sums_KC, dim=1))
        self.step_counts_K.zero_()
        self.step_sums_KC.zero_()

    def _split_busy(self, step: int) -> None:
        """Give every dead code half of a busy one: the deadest half of the busiest."""
        order_K = self.mean_counts_K.argsort(stable=True)
        num_dead = int((self.mean_counts_K < self._dead_below).sum())
        num_split = min(num_dead, len(order_K) - num_dead)
        dead, busy = order_K[:num_split], order_K.flip(0)[:num_split]
        generator = torch.Generator().manual_seed(step)
        noise = torch.randn((num_split, self.codes_KC.shape[1]), generator=generator)
        self.mean_counts_K[busy] /= 2
        self.mean_counts_K[dead] = self.mean_counts_K[busy]
        half_SC = self.mean_sums_KC[busy] / 2
        shift_SC = SPLIT_NOISE * half_SC.norm(dim=1, keepdim=True) * noise.to(half_SC.device)
        self.mean_sums_KC[busy] = half_SC + shift_SC
        self.mean_sums_KC[dead] = half_SC - shift_SC


class TokenizerHead(nn.Module):
    """What turns patch features into codes, and codes into what is to be reconstructed."""

    def __init__(
        self, recipe: TokenizerRecipe, width: int, side: int, num_targets: int, *, seed: int
    ) -> None:
        super().__init__()
        self.encoder = encoder_of(width, recipe.code_width)
        self.quantizer = Quantizer(recipe, seed=seed)
        self.decoder_in = nn.Linear(recipe.code_width, width)
        self.decoder_positions = nn.Parameter(sine_positions((side, side), width))
        self.decoder = nn.ModuleList(PlainLayer(width) for _ in range(recipe.decoder_layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.decoder_out = nn.Linear(width, num_targets)
        initialise_linear(self, seed)

    def reconstruct(self, codes_BNC: Tensor) -> Tensor:
        """Return what the patches are thought to be, `[B, N, targets]`."""
        tokens_BND = self.decoder_in(codes_BNC) + self.decoder_positions
        for layer in self.decoder:
            tokens_BND = layer(tokens_BND)
        made: Tensor = self.decoder_out(self.decoder_norm(tokens_BND))
        return made


class OpenTokenizer:
    """The tokenizer's training at work on one data folder.

    Args:
        teacher: whose patch features are reconstructed; pixels without one.
    """

    def __init__(self, data: Path, recipe: TokenizerRecipe, teacher: Backbone | None) -> None:
        self._recipe = recipe
        self._read = crop_reader(data, recipe.image_size, recipe.image_crop)
        self._teacher = None if teacher is None else teacher.requires_grad_(False).eval()

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head."""
        side = backbone.image_size // backbone.patch_size
        pixels = 3 * backbone.patch_size**2
        num_targets = pixels if self._teacher is None else self._teacher.width
        return TokenizerHead(self._recipe, backbone.width, side, num_targets, seed=seed)

    def inputs(self, sample: Sample, generator: Generator | None) -> dict[str, Any]:
        """Return the sample's image."""
        return {"image": self._read(sample.images[0], generator)}

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return the images of a batch."""
        return {"image": torch.stack([item["image"] for item in items])}

    def losses(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return each image's loss, `[B]` in fp32: reconstruction and commitment.

        Gradients pass the codes as if they were not there (straight through).
        """
        assert isinstance(head, TokenizerHead)
        unit_BNC = encoded(backbone, head.encoder, batch["image"])
        with torch.autocast(unit_BNC.device.type, enabled=False):
            if head.training:
                head.quantizer.begin(int(batch["step"][0]))
                head.quantizer.note(unit_BNC.detach())
            codes_BNC = head.quantizer(unit_BNC)
        made_BNP = head.reconstruct(unit_BNC + (codes_BNC - unit_BNC).detach()).float()
        apart_BNC = (unit_BNC - codes_BNC.detach()).square()
        committed_B: Tensor = self._recipe.commitment * apart_BNC.flatten(1).mean(dim=1)
        return self._apart(made_BNP, batch["image"], backbone.patch_size) + committed_B

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the images."""
        return self.losses(backbone, head, batch).mean()

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return the codes of every image."""
        assert isinstance(head, TokenizerHead)
        unit_BNC = encoded(backbone, head.encoder, batch["image"])
        codes_M = nearest(unit_BNC.flatten(0, 1), head.quantizer.codes_KC)
        return codes_M.view(unit_BNC.shape[:2]).tolist()

    def _apart(self, made_BNP: Tensor, image_BCHW: Tensor, patch_size: int) -> Tensor:
        """Return how far each image's reconstruction is from its target, `[B]`.

        Squared error of pixels, or one minus the cosine to a teacher's features.
        """
        if self._teacher is None:
            target_BNP = patches_of(image_BCHW, patch_size)
            error_B: Tensor = (made_BNP - target_BNP).square().flatten(1).mean(dim=1)
            return error_B
        with torch.no_grad(), torch.autocast(image_BCHW.device.type, enabled=False):
            seen = self._teacher.to(image_BCHW.device)(image_BCHW.float())
        cosine_B: Tensor = F.cosine_similarity(made_BNP, seen.tokens_BLD[:, 1:], dim=-1).mean(dim=1)
        return 1 - cosine_B


def clustered_pixels(
    image_BCHW: Tensor, recipe: TokenizerRecipe, patch_size: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the state of `PixelCodes`: K-means over the patches of images, Lloyd's rounds.

    A code without patches takes the patch that is farthest from its own.
    """
    points_MP = patches_of(image_BCHW, patch_size).flatten(0, 1)
    first = torch.randperm(len(points_MP), generator=generator)[: recipe.num_codes]
    codes_KP = points_MP[first].clone()
    for _ in range(recipe.cluster_rounds):
        chosen_M = nearest(points_MP, codes_KP)
        counts_K = torch.bincount(chosen_M, minlength=len(codes_KP))
        sums_KP = torch.zeros_like(codes_KP).index_add_(0, chosen_M, points_MP)
        error_M = (points_MP - codes_KP[chosen_M]).square().sum(dim=1)
        codes_KP = sums_KP / counts_K.clamp(min=1)[:, None]
        empty = (counts_K == 0).nonzero()[:, 0]
        codes_KP[empty] = points_MP[error_M.topk(len(empty)).indices]
    return {PIXEL_KEY: codes_KP}
