"""Images and their objects in a frame, against torchvision's transforms and official loaders."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as run_lengths
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as v2

from evalsuite.kinds.detection.instances import (
    Framing,
    Size,
    fitted,
    framed_image,
    framed_instances,
    jittered,
)
from evalsuite.records.errors import UserError

# pycocotools is compiled for an older numpy than ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = Size(90, 120)
PLAIN = Framing(False, SIZE, 0, 0, SIZE)
TRIANGLE = [20.0, 10.0, 80.0, 20.0, 30.0, 70.0]


def target(*objects: dict[str, Any]) -> dict[str, Any]:
    columns = ("boxes", "categories", "segmentations", "crowds")
    found: dict[str, Any] = {name: [] for name in columns}
    for one in objects:
        found["boxes"].append(one.get("box", [20.0, 10.0, 60.0, 60.0]))
        found["categories"].append(one.get("category", 1))
        found["segmentations"].append(json.dumps(one.get("shape", [TRIANGLE])))
        found["crowds"].append(one.get("crowd", 0))
    return {"size": list(SIZE), **found}


def triangle() -> np.ndarray[Any, np.dtype[np.uint8]]:
    mask: np.ndarray[Any, np.dtype[np.uint8]] = run_lengths.decode(
        run_lengths.frPyObjects([TRIANGLE], *SIZE)
    )[..., 0]
    return mask


FRAMINGS = [
    Framing(True, SIZE, 0, 0, SIZE),
    Framing(False, Size(180, 240), 20, 30, Size(128, 128)),
    Framing(True, Size(135, 180), 0, 40, Size(128, 128)),
    Framing(True, Size(45, 60), 0, 0, Size(45, 60)),
]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kind", ["polygon", "run lengths", "compressed"])
def test_boxes_and_masks_move_as_torchvision_moves_them(framing: Framing, kind: str) -> None:
    mask, box = triangle(), [20.0, 10.0, 60.0, 60.0]
    compressed = run_lengths.encode(np.asfortranarray(mask))
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges.tolist(), flat.size]).tolist()
    shape: Any = {
        "polygon": [TRIANGLE],
        "run lengths": {"size": list(SIZE), "counts": runs},
        "compressed": {"size": list(SIZE), "counts": compressed["counts"].decode()},
    }[kind]
    found = framed_instances(target({"box": box, "shape": shape}), framing)
    boxes: Any = tv_tensors.BoundingBoxes(
        torch.tensor([box]), format="XYWH", canvas_size=tuple(SIZE)
    )
    boxes, image = v2.convert_bounding_box_format(boxes, new_format="XYXY"), torch.tensor(mask)
    image = image[None]
    if framing.mirrored:
        boxes, image = v2.horizontal_flip(boxes), v2.horizontal_flip(image)
    size, cut = list(framing.resized), [framing.top, framing.left, *framing.content]
    boxes = v2.crop(v2.resize(boxes, size), *cut)
    image = v2.crop(v2.resize(image, size, v2.InterpolationMode.NEAREST_EXACT), *cut)
    expected = image[0].numpy()
    overlap = (expected & found.masks[0]).sum() / (expected | found.masks[0]).sum()
    assert overlap > 0.95
    clamped = v2.clamp_bounding_boxes(boxes)[0].numpy()
    # A box that is cut is drawn anew around what is left of the mask.
    assert np.all(found.boxes[0, :2] >= clamped[:2] - 1)
    assert np.all(found.boxes[0, 2:] <= clamped[2:] + 1)
    if framing is not FRAMINGS[1]:
        assert np.allclose(found.boxes[0], clamped, atol=1e-4)


def test_polygons_that_leave_the_frame_are_drawn_as_pycocotools_draws_them() -> None:
    framing = Framing(False, Size(180, 240), 30, 50, Size(70, 64))
    (ours,) = framed_instances(target({}), framing).masks
    moved = [number * 2 - (50, 30)[place % 2] for place, number in enumerate(TRIANGLE)]
    expected = run_lengths.decode(run_lengths.frPyObjects([moved], 70, 64))[..., 0]
    assert np.array_equal(ours, expected)


def test_a_cut_box_goes_around_the_mask_that_is_left() -> None:
    # Only the triangle's lower tip stays, which is narrower than its box.
    framing = Framing(False, SIZE, 55, 0, Size(35, 120))
    found = framed_instances(target({}), framing)
    rows, columns = np.nonzero(found.masks[0])
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert found.boxes[0].tolist() == expected
    assert found.boxes[0, 2] < 60


@pytest.mark.parametrize(
    "left_out",
    [
        {"crowd": 1, "shape": {"size": list(SIZE), "counts": [0, 90 * 120]}},
        {"shape": [[10.0, 10.0, 20.0, 20.0]]},
        {"shape": [[10.0, 10.0]]},
        {"shape": [[20.0, 10.0, 80.0, 10.0, 50.0, 70.0, 20.0]]},
        {"shape": [[]]},
        {"shape": []},
        {"shape": None},
        {"box": [200.0, 10.0, 20.0, 20.0], "shape": [[200.0, 10.0, 220.0, 10.0, 220.0, 30.0]]},
        {"box": [20.0, 10.0, 0.0, 60.0]},
    ],
    ids=[
        "crowd",
        "polygon of two points",
        "polygon of one point",
        "polygon of half a point",
        "empty polygon",
        "no polygon",
        "null",
        "outside the image",
        "no width",
    ],
)
def test_what_official_loaders_leave_out_is_left_out(left_out: dict[str, Any]) -> None:
    found = framed_instances(target(left_out, {"category": 7}), PLAIN)
    assert found.categories == [7]
    assert found.boxes.tolist() == [[20.0, 10.0, 80.0, 70.0]]
    alone = framed_instances(target(left_out), PLAIN)
    assert (alone.boxes.shape, alone.masks.shape) == ((0, 4), (0, *SIZE))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"size": [9, 12], "counts": [0, 9 * 12]}, r"size \[9, 12\] in an image of \[90, 120\]"),
        ({"size": list(SIZE), "counts": "\u00e9!"}, "cannot be decoded"),
        ({"size": list(SIZE)}, "cannot be decoded"),
        ([20.0, 10.0, 60.0, 10.0, 60.0, 60.0], "not a list of polygons"),
    ],
    ids=["another size", "no run lengths", "no counts", "a polygon alone"],
)
def test_outlines_that_fit_no_image_are_refused_by_their_box(shape: Any, message: str) -> None:
    with pytest.raises(UserError, match=rf"box \[20\.0, 10\.0, 60\.0, 60\.0\].*{message}"):
        framed_instances(target({"shape": shape}), PLAIN)


def test_a_box_that_leaves_the_image_a_little_is_cut_to_it() -> None:
    square = [60.0, 50.0, 120.6, 50.0, 120.6, 80.0, 60.0, 80.0]
    found = framed_instances(target({"box": [60.0, 50.0, 60.6, 30.0], "shape": [square]}), PLAIN)
    assert found.boxes.tolist() == [[60.0, 50.0, 120.0, 80.0]]
    assert found.masks[0].sum() == 60 * 30


def test_jitter_draws_the_scale_evenly_and_keeps_a_part_of_what_is_too_large() -> None:
    scales = []
    for number in range(400):
        generator = np.random.default_rng(number)
        framing = jittered(Size(480, 640), 1024, generator, scales=(0.1, 2.0), mirrors=True)
        height, width = framing.resized
        scales.append(width / 1024)
        assert abs(height / width - 0.75) < 0.02
        assert framing.content == (min(height, 1024), min(width, 1024))
        assert 0 <= framing.left <= max(0, width - 1024)
        assert 0 <= framing.top <= max(0, height - 1024)
    assert 0.1 <= min(scales) < 0.15
    assert 1.95 < max(scales) <= 2.0
    assert np.mean(scales) == pytest.approx(1.05, abs=0.06)


def test_the_test_makes_the_longer_side_fit_as_detectron2_rounds_it() -> None:
    # detectron2 T.ResizeShortestEdge.get_output_shape(427, 640, 1024, 1024) and so on
    assert fitted(Size(427, 640), 1024).resized == (683, 1024)
    assert fitted(Size(640, 425), 1024).resized == (1024, 680)
    assert fitted(Size(1, 4000), 32).resized == (1, 32)


def test_the_image_lies_top_left_in_its_frame_and_the_padding_is_mid_grey() -> None:
    image = Image.fromarray(np.full((*SIZE, 3), 255, dtype=np.uint8))
    frame_CHW = framed_image(image, fitted(SIZE, 64), 64)
    assert frame_CHW.shape == (3, 64, 64)
    assert (frame_CHW[:, :48] == 1).all()
    assert (frame_CHW[:, 48:] == 0).all()
