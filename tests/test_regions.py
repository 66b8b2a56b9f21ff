"""Anchors, crops of regions, suppression and masks against torchvision, scipy and the papers."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.poolers import LevelMapper

from evalsuite.heads.instance_masks import mask_targets, pasted
from evalsuite.heads.regions import clipped, crops, is_nonempty, level_anchors, levels_of
from evalsuite.heads.suppression import Selection, select, soft_nms


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def boxes(count: int, side: float, seed: int = 0) -> Tensor:
    corners = torch.rand(count, 4, generator=draws(seed)) * side
    low = torch.minimum(corners[:, :2], corners[:, 2:])
    return torch.cat([low, torch.maximum(corners[:, :2], corners[:, 2:]) + 1], dim=1)


def test_anchors_are_torchvisions_before_it_rounds_them() -> None:
    ours = level_anchors((3, 5), 16, torch.device("cpu"))
    images = ImageList(torch.zeros(1, 3, 48, 80), [(48, 80)])
    (official,) = AnchorGenerator(((128,),), ((0.5, 1.0, 2.0),))(images, [torch.zeros(1, 1, 3, 5)])
    assert torch.equal(ours.round(), official)
    sides = ours[:3, 2:] - ours[:3, :2]
    assert torch.allclose(sides.prod(dim=1), torch.tensor(128.0**2))
    assert torch.allclose(sides[:, 1] / sides[:, 0], torch.tensor([0.5, 1.0, 2.0]))


def test_regions_take_the_level_that_torchvision_gives_them() -> None:
    regions = boxes(500, 1024)
    official = LevelMapper(2, 5)([regions])
    assert torch.equal(levels_of(regions, (4, 8, 16, 32)), official)
    assert sorted(set(official.tolist())) == [0, 1, 2, 3]


def bilinear(cells: NDArray[np.float64], y: float, x: float) -> float:
    """Return the value at (y, x), where cells have their centres at integers."""
    height, width = cells.shape
    if y < -1 or x < -1 or y > height or x > width:
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    y, x = (min(y, height - 1.0), min(x, width - 1.0))
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    upper = (1 - across) * cells[top, left] + across * cells[top, right]
    lower = (1 - across) * cells[bottom, left] + across * cells[bottom, right]
    return float((1 - down) * upper + down * lower)


def aligned_crop(cells: NDArray[np.float64], box: list[float], size: int) -> NDArray[np.float64]:
    """Return a crop as Mask R-CNN defines it, sample by sample."""
    x0, y0, x1, y1 = (value - 0.5 for value in box)
    high, wide = (y1 - y0) / size, (x1 - x0) / size
    rows, columns = math.ceil(high), math.ceil(wide)
    crop = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            samples = [
                bilinear(
                    cells, y0 + high * (i + (r + 0.5) / rows), x0 + wide * (j + (c + 0.5) / columns)
                )
                for r in range(rows)
                for c in range(columns)
            ]
            crop[i, j] = np.mean(samples)
    return crop


def test_crops_are_means_of_bilinear_samples_on_the_right_level() -> None:
    levels = [torch.randn(2, 1, n, n, generator=draws(n)) for n in (64, 32, 16)]
    strides = (4, 8, 16)
    found = [boxes(6, 256, seed) for seed in (1, 2)]
    found[0][0] = torch.tensor([-3.0, 5.0, 300.0, 250.0])  # leaves the image
    ours = crops(levels, strides, found, 7)[:, 0]
    pairs = [(image, box) for image, some in enumerate(found) for box in some]
    for crop, (image, box), level in zip(
        ours, pairs, levels_of(torch.cat(found), strides), strict=True
    ):
        cells = levels[level][image, 0].double().numpy()
        expected = aligned_crop(cells, (box / strides[level]).tolist(), 7)
        assert np.allclose(crop.numpy(), expected, atol=1e-4)


def test_crops_of_a_ramp_lie_where_the_boxes_lie_whatever_part_is_padding() -> None:
    levels = []
    for stride in (4, 8, 16, 32):
        centres = (torch.arange(1024 // stride) + 0.5) * stride
        levels.append(centres.expand(1, 1, len(centres), len(centres)).contiguous())
    box_N4 = torch.tensor([[100.0, 50.0, 140.0, 90.0], [300.0, 40.0, 1000.0, 390.0]])
    middle = crops(levels, (4, 8, 16, 32), [box_N4], 7)[:, 0, :, 3].mean(dim=1)
    assert torch.allclose(middle, torch.tensor([120.0, 650.0]), atol=1e-2)


def test_no_region_at_all_gives_no_crop() -> None:
    assert crops([torch.zeros(1, 3, 4, 4)], (4,), [torch.zeros(0, 4)], 7).shape == (0, 3, 7, 7)


def test_a_mask_is_pasted_as_scipy_interpolates_it() -> None:
    small = torch.rand(28, 28, generator=draws(3))
    for box in ([10.3, 5.7, 60.2, 44.4], [-20.0, -8.5, 30.0, 90.0], [70.0, 40.0, 74.5, 49.0]):
        x0, y0, x1, y1 = box
        rows = (np.arange(50) + 0.5 - y0) / (y1 - y0) * 28 - 0.5
        columns = (np.arange(80) + 0.5 - x0) / (x1 - x0) * 28 - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        expected = map_coordinates(small.double().numpy(), grid, order=1, mode="grid-constant")
        ours = pasted(small, torch.tensor(box), 50, 80)
        clear = abs(expected - 0.5) > 1e-4
        assert ours.any()
        assert np.array_equal(ours[clear], (expected >= 0.5)[clear])


@pytest.mark.parametrize("box", [[90.0, 5.0, 99.0, 9.0], [5.0, 5.0, 5.0, 9.0]])
def test_a_box_beside_the_image_or_without_area_has_an_empty_mask(box: list[float]) -> None:
    assert not pasted(torch.ones(28, 28), torch.tensor(box), 50, 80).any()


def test_a_mask_cut_out_and_pasted_back_is_itself() -> None:
    y, x = np.mgrid[:128, :128]
    disc = torch.from_numpy(((x - 60) ** 2 + (y - 70) ** 2 < 40**2).astype(np.uint8))
    box = torch.tensor([[20.0, 30.0, 101.0, 111.0]])
    (target,) = mask_targets(disc[None], box, torch.tensor([0]))
    again = torch.from_numpy(pasted(target, box[0], 128, 128))
    overlap = (again & disc).sum() / (again | disc).sum()
    assert overlap > 0.97
    assert mask_targets(disc[None], torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (
        0,
        28,
        28,
    )


def brute_soft_nms(
    all_boxes: list[list[float]], scores: list[float], labels: list[int], most: int
) -> list[tuple[int, float]]:
    """Return (place, score) as the paper's loop gives them, class by class."""

    def iou(a: list[float], b: list[float]) -> float:
        wide = min(a[2], b[2]) - max(a[0], b[0])
        high = min(a[3], b[3]) - max(a[1], b[1])
        both = max(0.0, wide) * max(0.0, high)
        areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
        return both / (sum(areas) - both)

    taken: list[tuple[int, float]] = []
    for label in set(labels):
        left = {place: scores[place] for place in range(len(scores)) if labels[place] == label}
        while left:
            best = max(left, key=lambda place: left[place])
            taken.append((best, left.pop(best)))
            for place in left:
                overlap = iou(all_boxes[best], all_boxes[place])
                left[place] *= 1 - overlap if overlap > 0.5 else 1
    kept = [one for one in taken if one[1] >= 0.001]
    return sorted(kept, key=lambda one: -one[1])[:most]


@pytest.mark.parametrize("seed", range(4))
def test_soft_nms_is_the_papers_loop(seed: int) -> None:
    found, generator = boxes(60, 40, seed), draws(seed)
    scores = torch.rand(60, generator=generator)
    labels = torch.randint(0, 3, (60,), generator=generator)
    places, lowered = soft_nms(found, scores, labels, iou=0.5, most=50)
    expected = brute_soft_nms(found.tolist(), scores.tolist(), labels.tolist(), 50)
    assert places.tolist() == [place for place, _ in expected]
    assert lowered.tolist() == pytest.approx([score for _, score in expected], rel=1e-4)


def test_a_box_is_reported_for_every_class_that_it_scores_in() -> None:
    two = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0]])
    scores = torch.tensor([[0.9, 0.6], [0.8, 0.01]])
    hard = select(two, scores, Selection())
    assert list(zip(hard.labels_N.tolist(), hard.scores_N.tolist(), strict=True)) == [
        (0, pytest.approx(0.9)), (1, pytest.approx(0.6)),
    ]  # fmt: skip
    soft = select(two, scores, Selection(soft=True))
    assert soft.scores_N.tolist() == pytest.approx([0.9, 0.6, 0.08])
    assert len(select(two, torch.zeros(2, 2), Selection(soft=True)).boxes_N4) == 0


def test_boxes_are_cut_to_their_image_and_empty_ones_known() -> None:
    some = torch.tensor([[-5.0, 2.0, 30.0, 9.0], [25.0, 2.0, 30.0, 9.0], [1.0, 1.0, math.nan, 3.0]])
    cut = clipped(some, torch.tensor([8, 20]))
    assert cut[0].tolist() == [0.0, 2.0, 20.0, 8.0]
    assert is_nonempty(cut).tolist() == [True, False, False]
