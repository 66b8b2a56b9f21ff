"""Grounding: phrases of captions, what patches say of them, each picture for itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.beit3.recognise import recognise
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.contracts.benchmark import Sample
from evalsuite.data.images import sample_generator
from evalsuite.data.index import open_index
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.grounding import GroundingHead, OpenGrounding
from evalsuite.pretraining.phrases import phrases_in, phrases_of
from evalsuite.pretraining.preparing import PretrainRequest
from evalsuite.pretraining.recipes import GROUNDING, GroundingRecipe
from evalsuite.pretraining.run import pretrain
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import finetune
from evalsuite.verbs.prepare import Request

RECIPE = GROUNDING["beit3_tiny"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grounded")
    write_world(folder, size="mini", benchmarks=("retrieval_coco", "detection", "segmentation"))
    return folder


def opened(world: Path, **changes: Any) -> OpenGrounding:
    return OpenGrounding(world, replace(RECIPE, **changes), "train", 8)


def items_of(task: OpenGrounding, world: Path, count: int) -> list[dict[str, Any]]:
    index = open_index(CORPUS, world, "train")
    samples = [index[place] for place in range(count)]
    return [task.inputs(one, sample_generator(0, 0, one.id)) for one in samples]


def test_phrases_are_words_and_neighbours() -> None:
    found = phrases_in("A red ring, in the dog's T-shirt.")
    assert {"a", "red", "a red", "red ring", "ring in", "dog's", "t-shirt"} <= found
    assert "ring," not in found
    assert "a ring" not in found


def test_an_image_has_the_phrases_of_all_its_captions_but_rare_and_common_ones() -> None:
    texts = {
        "a": ("red ring", "blue hoop"),
        "b": ("red square",),
        "c": ("red ring",),
        "d": ("sky",),
    }
    samples = [Sample(0, (image,), text, {}) for image, own in texts.items() for text in own]
    phrases = phrases_of(samples, (0.25, 0.5))
    # "red" is with three of the four.
    assert phrases.names == ["blue", "blue hoop", "hoop", "red ring", "red square", "ring", "sky",
                             "square"]  # fmt: skip
    assert [phrases.names[one] for one in phrases.by_image["a"]] == [
        "blue", "blue hoop", "hoop", "red ring", "ring",
    ]  # fmt: skip
    assert dict(zip(phrases.names, phrases.shares, strict=True))["red ring"] == 0.5
    with pytest.raises(UserError, match="no phrase of the captions"):
        phrases_of(samples, (0.8, 0.9))


def test_a_mosaic_holds_four_images_with_their_own_phrases(world: Path) -> None:
    mosaics = items_of(opened(world, mosaic=1.0, sizes=(64,), size_shares=(1.0,)), world, 8)
    whole = items_of(opened(world, mosaic=0.0, sizes=(32,), size_shares=(1.0,)), world, 8)
    for mosaic, own in zip(mosaics, whole, strict=True):
        assert mosaic["image"].shape == (3, 64, 64)
        torch.testing.assert_close(mosaic["image"][:, :32, :32], own["image"], rtol=0, atol=0)
        assert mosaic["phrases"].shape[0] == 4
        assert torch.equal(mosaic["phrases"][0], own["phrases"][0])


def test_sizes_come_in_their_shares(world: Path) -> None:
    task = opened(world, sizes=(32, 64), size_shares=(3.0, 1.0), mosaic=0.5)
    sample = open_index(CORPUS, world, "train")[0]
    items = [task.inputs(sample, np.random.default_rng(seed)) for seed in range(400)]
    small = np.mean([item["image"].shape[-1] == 32 for item in items])
    mosaics = np.mean([len(item["phrases"]) == 4 for item in items])
    assert small == pytest.approx(0.75, abs=0.08)  # 3.5 standard errors
    assert mosaics == pytest.approx(0.5, abs=0.09)


def pooled(said_NP: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pinheiro and Collobert's pooling with r = 1, then the chance of each phrase."""
    logits_P = np.log(np.mean(np.exp(said_NP), axis=0))
    return np.asarray(1 / (1 + np.exp(-logits_P)))


@torch.no_grad()
def test_the_loss_is_that_of_each_quarters_own_patches(world: Path) -> None:
    task = opened(world, mosaic=1.0, sizes=(64,), size_shares=(1.0,), pixel_weight=0.25)
    backbone = beit3("beit3_tiny", image_size=32, seed=0).eval()
    head = task.head(backbone, seed=0)
    assert isinstance(head, GroundingHead)
    torch.nn.init.normal_(head.phrases.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    items = items_of(task, world, 3)
    found = task.losses(backbone, head, task.collate(items))
    for item, loss in zip(items, found.tolist(), strict=True):
        map_DHW = backbone.feature_maps(item["image"][None])[0][0]
        wanted = 0.0
        for number, shown_P in enumerate(item["phrases"]):
            row, column = 4 * (number // 2), 4 * (number % 2)
            quarter_ND = map_DHW[:, row : row + 4, column : column + 4].flatten(1).T
            chances = pooled(head.phrases(quarter_ND).double().numpy())
            chances_P = torch.from_numpy(chances)
            wanted += float(binary_cross_entropy(chances_P, shown_P.double(), reduction="sum")) / 4
        made = head.pixels(map_DHW.flatten(1).T).reshape(8, 8, 3, 8, 8)  # row, column, patch
        made = made.permute(2, 0, 3, 1, 4).reshape(3, 64, 64)
        wanted += 0.25 * float((made - item["image"]).square().sum()) / 64
        assert loss == pytest.approx(wanted, rel=1e-5)


@torch.no_grad()
def test_the_loss_does_not_depend_on_how_a_batch_is_cut(world: Path) -> None:
    task = opened(world)
    backbone = beit3("beit3_tiny", image_size=32, seed=0).eval()
    head = task.head(backbone, seed=0)
    items = items_of(task, world, 12)
    batch = task.collate(items)
    assert len(batch) > 4  # images of several sizes
    alone = [task.loss(backbone, head, one) for one in map(task.collate, zip(items))]
    together = task.loss(backbone, head, batch)
    torch.testing.assert_close(together, torch.stack(alone).mean())


def test_patches_learn_what_pictures_show(world: Path) -> None:
    task = opened(world, sizes=(32,), size_shares=(1.0,))
    backbone = beit3("beit3_tiny", image_size=32, seed=0)
    head = task.head(backbone, seed=0)
    batch = task.collate(items_of(task, world, 12))
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=2e-3)
    losses = []
    for _ in range(25):
        loss = task.loss(backbone, head, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_an_untrained_head_says_each_phrase_as_often_as_it_comes() -> None:
    shares = np.array([0.01, 0.2, 0.5])
    head = GroundingHead(96, shares, 192, seed=0)
    said = torch.sigmoid(head.phrases(torch.zeros(96))).detach().numpy()
    np.testing.assert_allclose(said, shares, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sizes": (64, 72), "size_shares": (1, 1)}, "sizes=64,72: expected multiples of 16"),
        ({"sizes": (), "size_shares": ()}, "sizes=: expected multiples of 16"),
        ({"size_shares": (1.0,)}, "size_shares=1.0: expected a number above 0 for each of sizes="),
        ({"size_shares": (1.0, 0.0, 1.0)}, "expected a number above 0"),
        ({"mosaic": 1.5}, "mosaic=1.5: expected a share"),
        ({"pixel_weight": -1.0}, "pixel_weight=-1.0: expected 0 or more"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    recipe: GroundingRecipe = replace(RECIPE, **changes)
    with pytest.raises(UserError, match=said):
        recipe.checked(16)


def test_grounded_weights_serve_dense_tasks_and_name_no_head(world: Path, tmp_path: Path) -> None:
    settings = ("epochs=1", "batch_size=8", "micro_batch=4", "warmup_epochs=0.2", "lr=3e-3")
    wishes = {"data": world, "runs": tmp_path, "device": "cpu", "settings": settings, "limit": 40}
    run = pretrain(PretrainRequest(stage="grounding", weights="scratch", **wishes))  # type: ignore[arg-type]
    state = read_checkpoint(run.weights)
    assert all(key.startswith("beit3.") for key in state)
    assert recognise(state).image_size == 32
    request = Request(task="segmentation", weights=str(run.weights), data=world, runs=tmp_path,
                      device="cpu", limit=2, settings=("epochs=0.2",))  # fmt: skip
    keys = finetune(request).facts["weights"]["keys"]
    assert not [key for key in keys["missing"] if key.startswith("beit3.")]
