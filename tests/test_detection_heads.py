"""The detector's parts against torchvision, scipy, and formulas written out."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d as OfficialLayerNorm2d
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork

from evalsuite.heads.cascade import Cascade, CascadeSettings, Truth
from evalsuite.heads.detector import LOSSES, Detector, DetectorSettings
from evalsuite.heads.instance_masks import MaskSettings
from evalsuite.heads.proposals import Proposals, ProposalSettings
from evalsuite.heads.pyramid import LayerNorm2d, SimplePyramid
from evalsuite.heads.regions import crops, levels_of

CPU = torch.device("cpu")
SMALL = DetectorSettings(
    width=16,
    scales=(2.0, 1.0),
    proposals=ProposalSettings(samples=32, pre_train=50, pre_test=50, post=30),
    cascade=CascadeSettings(num_convs=1, fc_width=16, samples=16),
    masks=MaskSettings(num_convs=1),
)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def boxes(count: int, side: float, seed: int = 0) -> Tensor:
    corners = torch.rand(count, 4, generator=draws(seed)) * side
    low = torch.minimum(corners[:, :2], corners[:, 2:])
    return torch.cat([low, torch.maximum(corners[:, :2], corners[:, 2:]) + 1], dim=1)


def truth(boxes_G4: Tensor, side: int) -> Truth:
    masks_GHW = torch.zeros(len(boxes_G4), side, side, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks_GHW, boxes_G4.round().int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    return Truth(boxes_G4, torch.arange(len(boxes_G4)) % 3, masks_GHW)


def test_layer_norm_is_over_channels() -> None:
    ours, official = LayerNorm2d(8), OfficialLayerNorm2d(8, eps=1e-6)
    map_BCHW = torch.randn(2, 8, 5, 3, generator=draws())
    assert torch.allclose(ours(map_BCHW), official(map_BCHW), atol=1e-6)


def test_the_pyramid_has_a_level_at_every_stride_and_one_beyond() -> None:
    pyramid = SimplePyramid(48, 16, 16, (4.0, 2.0, 1.0, 0.5))
    levels = pyramid(torch.randn(1, 48, 8, 8))
    assert list(pyramid.strides) == [4, 8, 16, 32, 64]
    assert [level.shape[1:] for level in levels] == [(16, n, n) for n in (32, 16, 8, 4, 2)]


def test_levels_of_patches_of_14_pixels_have_their_true_stride_and_are_all_used() -> None:
    # 1,288 pixels are 92 patches: the finest level has 368 cells of 3.5 pixels, not of 4.
    pyramid = SimplePyramid(8, 4, 14, (4.0, 2.0, 1.0, 0.5))
    levels = pyramid(torch.zeros(1, 8, 92, 92))
    assert list(pyramid.strides) == [1288 / level.shape[3] for level in levels]
    sides = torch.tensor([30.0, 60.0, 120.0, 250.0, 500.0, 1200.0])
    boxes_N4 = torch.stack([0 * sides, 0 * sides, sides, sides], dim=1)
    assert levels_of(boxes_N4, pyramid.strides[:-1]).tolist() == [0, 0, 1, 2, 3, 3]


class GivenAnchors(nn.Module):
    """Anchors for torchvision's network, which otherwise rounds its own."""

    def __init__(self, anchors_A4: Tensor) -> None:
        super().__init__()
        self.anchors_A4 = anchors_A4

    def forward(self, images: ImageList, levels: list[Tensor]) -> list[Tensor]:
        return [self.anchors_A4 for _ in images.image_sizes]


def test_proposals_and_objectness_loss_are_torchvisions() -> None:
    how = SMALL.proposals
    torch.manual_seed(0)
    ours = Proposals(16, (8, 16), how)
    nn.init.normal_(ours.net.cls_logits.weight, std=0.5)  # type: ignore[union-attr,arg-type]
    levels = [torch.randn(2, 16, n, n, generator=draws(n)) for n in (16, 8)]
    proposed = ours(levels)
    tops = (
        {"training": how.pre_train, "testing": how.pre_test},
        dict.fromkeys(("training", "testing"), how.post),
    )
    official = RegionProposalNetwork(
        GivenAnchors(proposed.anchors_A4),
        ours.net,
        how.high,
        how.low,
        how.samples,
        how.positive_share,
        *tops,
        how.iou,
    )
    sizes = [(128, 128), (100, 70)]
    images = ImageList(torch.zeros(2, 3, 128, 128), sizes)
    true = [boxes(3, 120, 1), torch.zeros(0, 4)]
    named = {str(place): level for place, level in enumerate(levels)}
    torch.manual_seed(1)
    expected, losses = official(images, named, [{"boxes": one} for one in true])
    found = ours.boxes(proposed, torch.tensor(sizes))
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(found, expected, strict=True))
    torch.manual_seed(1)
    per_image = ours.losses(proposed, true).detach()
    # The same anchors are drawn; torchvision's box loss is smooth, ours ViTDet's L1.
    assert torch.isclose(per_image[:, 0].mean(), losses["loss_objectness"].detach())
    assert per_image[0, 1] > losses["loss_rpn_box_reg"].detach() > 0
    assert per_image[1, 1] == 0  # no object, no box to learn


def test_stages_that_move_nothing_return_the_boxes_and_the_mean_of_their_scores() -> None:
    torch.manual_seed(0)
    cascade = Cascade(16, 3, (8, 16), SMALL.cascade).eval()
    levels = [torch.randn(1, 16, n, n, generator=draws(n)) for n in (16, 8)]
    for stage in cascade.stages:
        nn.init.zeros_(stage.box.weight)  # type: ignore[arg-type,union-attr]
        nn.init.zeros_(stage.box.bias)  # type: ignore[arg-type,union-attr]
    proposals = boxes(5, 100)
    ((moved, scores_NK),) = cascade(levels, [proposals], torch.tensor([[128, 128]]))
    crops_NCHW = crops(levels, (8, 16), [proposals], 7)
    expected = torch.stack([stage(crops_NCHW)[0].softmax(dim=1) for stage in cascade.stages])
    assert torch.allclose(moved, proposals, atol=1e-3)
    assert torch.allclose(scores_NK, expected.mean(dim=0)[:, :3], atol=1e-5)


def test_a_region_is_an_object_from_half_overlap_on() -> None:
    cascade = Cascade(16, 3, (8, 16), SMALL.cascade)
    objects = truth(torch.tensor([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 70.0, 70.0]]), 128)
    proposals = torch.tensor(
        [[0.0, 0.0, 10.0, 5.1], [0.0, 0.0, 10.0, 4.9], [51.0, 50.0, 70.0, 70.0]]
    )
    regions = cascade.draw(proposals, objects)
    bottoms = regions.boxes_N4[:, 3].mul(10).round().int().tolist()
    label = dict(zip(bottoms, regions.labels_N.tolist(), strict=True))
    assert (label[49], label[51]) == (3, 0)  # 3 is the background
    num_objects = int((regions.labels_N < 3).sum())
    assert num_objects == SMALL.cascade.samples * SMALL.cascade.positive_share


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_parameter_learns_also_beside_an_image_without_objects(dtype: torch.dtype) -> None:
    detector = Detector(24, 16, 3, SMALL)
    map_BDHW = torch.randn(2, 24, 8, 8, generator=draws())
    truths = [truth(boxes(4, 100), 128), truth(torch.zeros(0, 4), 128)]
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        losses = detector.losses(map_BDHW, torch.tensor([[128, 128], [128, 90]]), truths)
    assert losses.shape == (2, len(LOSSES))
    assert losses.dtype is torch.float32
    assert losses.isfinite().all()
    assert losses[1, [1, 3, 5, 7, 8]].tolist() == [0.0] * 5  # no boxes, no masks
    losses.sum(dim=1).mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_in_bfloat16_boxes_stay_float32_and_close() -> None:
    detector = Detector(24, 16, 3, SMALL).eval()
    map_BDHW, sizes = torch.randn(1, 24, 64, 64, generator=draws()), torch.tensor([[1024, 1000]])
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled), torch.inference_mode():
            levels = detector.pyramid(map_BDHW)
            anchors_A4 = detector.proposals(levels).anchors_A4
            seen = detector.see(map_BDHW, sizes)
        assert seen.candidates[0][0].dtype is anchors_A4.dtype is torch.float32
        found.append((anchors_A4, seen.candidates[0][0]))
    assert torch.equal(found[0][0], found[1][0])
    # bfloat16 itself would round every coordinate above 512 to a multiple of 4.
    assert (found[1][1] % 4 != 0).float().mean() > 0.5


def test_the_same_seed_gives_the_same_head_and_leaves_other_draws_alone() -> None:
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    first, second = (Detector(24, 16, 3, SMALL, seed=1).state_dict() for _ in range(2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
