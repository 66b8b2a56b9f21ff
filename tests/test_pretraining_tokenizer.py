"""The visual tokenizer: its codes, how they move, and files that are none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.loading import official_state
from evalsuite.data.images import ImageReader, eval_transform
from evalsuite.data.index import open_index
from evalsuite.pretraining.codes import PIXEL_KEY, PixelCodes, nearest, patches_of, read_codes
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.recipes import TOKENIZER
from evalsuite.pretraining.tokenizer import (
    OpenTokenizer,
    Quantizer,
    TokenizerHead,
    clustered_pixels,
)
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.write import write_world

RECIPE = TOKENIZER["beit3_tiny"].with_settings(["num_codes=8", "code_width=4"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_world(folder, size="mini", benchmarks=("retrieval_coco",))
    return folder


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def points(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(6, 5, 4, generator=generator), dim=-1)


def num_used(found: Tensor, quantizer: Quantizer) -> int:
    return len(set(nearest(found.flatten(0, 1), quantizer.codes_KC).tolist()))


def test_patches_are_rows_of_the_image() -> None:
    image = images(1)
    assert torch.equal(patches_of(image, 8)[0, 6], image[0, :, 8:16, 16:24].reshape(-1))


def test_the_nearest_code_is_that_of_the_smallest_distance() -> None:
    found, codes = points(0).flatten(0, 1), points(1).flatten(0, 1)
    assert torch.equal(nearest(found, codes), torch.cdist(found, codes).argmin(dim=1))


def test_a_code_moves_to_the_mean_of_its_points() -> None:
    recipe = RECIPE.with_settings(["code_decay=0", "dead_below=0"])
    quantizer = Quantizer(recipe, seed=0)
    found = points(2)
    chosen = torch.cdist(found.flatten(0, 1), quantizer.codes_KC).argmin(dim=1)
    quantizer.note(found)
    quantizer.begin(1)
    for code in set(chosen.tolist()):
        mean = found.flatten(0, 1)[chosen == code].mean(dim=0)
        torch.testing.assert_close(quantizer.codes_KC[code], mean / mean.norm())


def test_codes_do_not_depend_on_how_a_batch_was_cut() -> None:
    whole, cut = Quantizer(RECIPE, seed=0), Quantizer(RECIPE, seed=0)
    for step in range(4):
        found = points(step)
        for quantizer, parts in ((whole, (found,)), (cut, (found[:1], found[1:4], found[4:]))):
            for part in parts:
                quantizer.begin(step)
                quantizer.note(part)
    torch.testing.assert_close(whole.codes_KC, cut.codes_KC)
    assert not torch.equal(whole.codes_KC, Quantizer(RECIPE, seed=0).codes_KC)


def test_a_saved_quantizer_goes_on_as_if_it_had_not_stopped() -> None:
    one, other = Quantizer(RECIPE, seed=0), Quantizer(RECIPE, seed=5)
    one.note(points(0))
    other.load_state_dict(one.state_dict())
    for quantizer in (one, other):
        quantizer.begin(1)
        quantizer.note(points(1))
        quantizer.begin(2)
    assert torch.equal(one.codes_KC, other.codes_KC)


def test_codes_that_no_point_is_near_come_to_life() -> None:
    # All points lie in one corner; most of the random codes are far away.
    corner = F.normalize(points(3) * 0.3 + torch.tensor([1.0, 0, 0, 0]), dim=-1)
    quantizer = Quantizer(RECIPE, seed=0)
    used_at_first = num_used(corner, quantizer)
    for step in range(30):
        quantizer.begin(step)
        quantizer.note(corner)
    assert used_at_first <= 3
    assert num_used(corner, quantizer) == 8


@pytest.mark.parametrize("seed", [0, 1])
def test_clustered_pixels_stand_where_no_round_moves_them(world: Path, seed: int) -> None:
    index = open_index(CORPUS, world, "train")
    read = ImageReader(world, eval_transform(32), None)
    recipe = RECIPE.with_settings(["cluster_rounds=200"])
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(200, generator=generator)[:30].tolist()
    pixels = torch.stack([read(index[place].images[0], None) for place in drawn])
    codes = clustered_pixels(pixels, recipe, 8, generator)[PIXEL_KEY]
    patches = patches_of(pixels, 8).flatten(0, 1).numpy()
    chosen = np.linalg.norm(patches[:, None] - codes.numpy()[None], axis=2).argmin(axis=1)
    for code in range(8):
        mean = patches[chosen == code].mean(axis=0)
        np.testing.assert_allclose(codes[code].numpy(), mean, atol=1e-4)


def test_a_tokenizers_file_gives_the_codes_of_its_training(world: Path, tmp_path: Path) -> None:
    backbone = beit3("beit3_tiny", seed=0)
    task = OpenTokenizer(world, RECIPE, None)
    head = task.head(backbone, seed=0)
    path = tmp_path / "tokenizer.safetensors"
    save_checkpoint(path, official_state(backbone, head), {})
    codes = read_codes(path, backbone)(images(3))
    assert codes.tolist() == task.predict(backbone, head, {"image": images(3)})
    assert torch.equal(codes, read_codes(path, backbone)(images(3)))
    assert not any(parameter.requires_grad for parameter in read_codes(path, backbone).parameters())


def test_gradients_pass_the_codes_straight_through(world: Path) -> None:
    backbone = beit3("beit3_tiny", seed=0)
    task = OpenTokenizer(world, RECIPE.with_settings(["commitment=0"]), None)
    head = task.head(backbone, seed=0)
    assert isinstance(head, TokenizerHead)
    batch = {"image": images(2), "step": torch.zeros(2, dtype=torch.long)}
    torch.autograd.backward(task.loss(backbone, head, batch))
    gradient = head.get_parameter("encoder.0.weight").grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0


def test_a_teachers_own_features_are_its_perfect_reconstruction(world: Path) -> None:
    teacher = beit3("beit3_tiny", seed=1)
    task = OpenTokenizer(world, RECIPE, teacher)
    image = images(2)
    features = teacher(image).tokens_BLD[:, 1:]
    torch.testing.assert_close(task._apart(3 * features, image, 8), torch.zeros(2))


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    backbone = beit3("beit3_tiny", seed=0)
    path = tmp_path / "weights.safetensors"
    save_checkpoint(path, official_state(backbone, None), {})
    with pytest.raises(UserError, match="not a visual tokenizer: it holds beit3"):
        read_codes(path, backbone)


@pytest.mark.parametrize(("size", "side"), [(64, 4), (32, 16)])
def test_a_tokenizer_of_other_images_or_patches_is_refused(
    tmp_path: Path, size: int, side: int
) -> None:
    path = tmp_path / "tokenizer.safetensors"
    if side == 16:
        save_checkpoint(path, {PIXEL_KEY: torch.zeros(4, 3 * 16 * 16)}, {})
    else:
        backbone = beit3("beit3_tiny", image_size=size, seed=0)
        head = OpenTokenizer(tmp_path, RECIPE, None).head(backbone, seed=0)
        save_checkpoint(path, official_state(backbone, head), {})
    with pytest.raises(UserError, match="pixels per side; the backbone's have"):
        read_codes(path, beit3("beit3_tiny", seed=0))


def test_pixel_codes_are_those_of_the_nearest_patch() -> None:
    book = torch.stack([torch.zeros(192), torch.ones(192)])
    image = torch.zeros(1, 3, 32, 32)
    image[:, :, :8, 8:16] = 0.9
    assert PixelCodes(book)(image)[0].nonzero()[:, 0].tolist() == [1]
