"""A backbone's maps for dense prediction, against its plain pass and against masks written out."""

import pytest
import torch
from torch import Tensor

from evalsuite.backbones.beit3.dense import join, partition
from evalsuite.backbones.beit3.model import Beit3, beit3


def images(height: int, width: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def model(image_size: int = 64, **settings: bool) -> Beit3:
    return beit3("beit3_tiny", image_size=image_size, **settings).eval()


def test_without_windows_the_map_is_the_plain_pass() -> None:
    backbone, image_BCHW = model(), images(64, 64)
    (map_BDHW,) = backbone.feature_maps(image_BCHW)
    plain_BLD = backbone(image_BCHW).tokens_BLD[:, 1:]
    assert map_BDHW.shape == (2, 96, 8, 8)
    assert torch.allclose(map_BDHW.flatten(2).transpose(1, 2), plain_BLD, atol=1e-6)


@pytest.mark.parametrize("window", [8, 12])
def test_a_window_that_holds_the_whole_image_is_the_plain_pass(window: int) -> None:
    backbone, image_BCHW = model(), images(64, 64)
    (plain,) = backbone.feature_maps(image_BCHW)
    (map_BDHW,) = backbone.feature_maps(image_BCHW, window=window)
    assert torch.allclose(map_BDHW, plain, atol=2e-5)


def test_with_all_layers_global_windows_change_nothing() -> None:
    backbone, image_BCHW = model(), images(64, 64)
    (plain,) = backbone.feature_maps(image_BCHW)
    (map_BDHW,) = backbone.feature_maps(image_BCHW, window=3, global_layers=(0, 1, 2, 3))
    assert torch.equal(map_BDHW, plain)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 72)])
def test_one_windowed_layer_is_attention_under_a_written_out_mask(height: int, width: int) -> None:
    backbone, image_BCHW, side = model(), images(height, width), 4
    with torch.no_grad():
        (map_BDHW,) = backbone.feature_maps(image_BCHW, layers=(0,), window=side)
        layer, tokens_BLD = backbone.layers[0], backbone._embed_any_size(image_BCHW)
        rows, columns = height // 8, width // 8
        window_of = torch.tensor(
            [r // side * 99 + c // side for r in range(rows) for c in range(columns)]
        )
        visible = torch.zeros(1 + rows * columns, 1 + rows * columns, dtype=torch.bool)
        visible[1:, 1:] = window_of[:, None] == window_of
        visible[:, 0] = visible[0, 0] = True
        masked = layer({"A": tokens_BLD}, visible)["A"][:, 1:]
    assert torch.allclose(map_BDHW.flatten(2).transpose(1, 2), masked, atol=2e-5)


def test_partition_and_join_are_inverse_and_windows_are_blocks() -> None:
    grid = torch.arange(2 * 5 * 7 * 3).view(2, 5, 7, 3)
    windows = partition(grid, 3)
    assert windows.shape == (2, 6, 3, 3, 3)
    assert torch.equal(windows[1, 1], grid[1, :3, 3:6])
    assert torch.equal(join(windows, (5, 7)), grid)


def test_positions_of_another_size_are_those_of_a_model_of_that_size() -> None:
    small, large = model(64), model(96)
    state = small.state_dict()
    table = small.resized("embed_positions.A.weight", state["embed_positions.A.weight"])
    assert table is not None
    resized = large.resized("embed_positions.A.weight", state["embed_positions.A.weight"])
    assert resized is not None
    large.load_state_dict(state | {"embed_positions.A.weight": resized})
    image_BCHW = images(96, 96)
    pair = [backbone.feature_maps(image_BCHW)[0] for backbone in (small, large)]
    assert torch.allclose(pair[0], pair[1], atol=1e-5)


def test_maps_of_several_layers_come_in_the_order_asked_for() -> None:
    backbone, image_BCHW = model(), images(32, 64)
    first, last = backbone.feature_maps(image_BCHW, layers=(1, 3), window=4, global_layers=(3,))
    (alone,) = backbone.feature_maps(image_BCHW, window=4, global_layers=(3,))
    assert first.shape == last.shape == (2, 96, 4, 8)
    assert torch.equal(last, alone)


def test_checkpointed_activations_change_no_gradient() -> None:
    gradients = []
    for saving in (False, True):
        backbone = model(activation_checkpointing=saving)
        backbone.feature_maps(images(64, 64), window=4)[0].square().mean().backward()  # type: ignore[no-untyped-call]
        weight = backbone.vision_embed.proj.weight.grad
        assert weight is not None
        gradients.append(weight)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


def test_an_image_of_broken_patches_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of beit3_tiny's patch size 8"):
        model().feature_maps(images(60, 64))
