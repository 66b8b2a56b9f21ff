"""Masked data modelling: what is hidden, what is predicted, and that nothing hidden leaks."""

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalsuite.backbones.beit3.model import beit3
from evalsuite.contracts.benchmark import Sample
from evalsuite.data.images import sample_generator
from evalsuite.data.index import open_index
from evalsuite.data.masking import hide_words
from evalsuite.data.text import Tokenizer
from evalsuite.engine.model import TaskModel
from evalsuite.pretraining.codes import PixelCodes
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.health import Examination, word_health
from evalsuite.pretraining.masking import hide_blocks
from evalsuite.pretraining.objective import IMAGE, PAIR, TEXT, MaskedHead, OpenMasked
from evalsuite.pretraining.recipes import MASKED, MaskedRecipe
from evalsuite.pretraining.words import kind_of, word_chances
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world

# The tiny model with the paper's masks.
RECIPE = replace(
    MASKED["beit3_tiny"],
    shares=(1 / 3, 1 / 3, 1 / 3),
    image_crop=1.0,
    pair_image_mask=0.4,
    word_weights="",
    aggregator=0,
)
TOKENIZER = Tokenizer(tokenizer_path())
BATCH = 9


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_world(folder, size="mini", benchmarks=("vqa", "retrieval_coco", "captioning"))
    return folder


def some_codes() -> PixelCodes:
    return PixelCodes(torch.randn(7, 3 * 8 * 8, generator=torch.Generator().manual_seed(1)))


def opened(data: Path, recipe: MaskedRecipe = RECIPE, codes: PixelCodes | None = None) -> Any:
    return OpenMasked(data, recipe, TOKENIZER, codes or some_codes(), 4)


def model(task: Any) -> TaskModel:
    backbone = beit3("beit3_tiny", seed=0)
    return TaskModel(backbone, task.head(backbone, seed=0), task)


def losses(trained: TaskModel, batch: dict[str, Tensor]) -> Tensor:
    """Return each sample's own loss."""
    task = trained._task
    assert isinstance(task, OpenMasked)
    return task.losses(trained.backbone, trained.head, batch)


def samples(data: Path, count: int) -> list[Sample]:
    index = open_index(CORPUS, data, "train")
    return [index[place] for place in range(count)]


def items(task: Any, chosen: Sequence[Sample], epoch: int = 0) -> list[Any]:
    return [task.inputs(one, sample_generator(0, epoch, one.id)) for one in chosen]


def touching(hidden: NDArray[np.bool_], side: int) -> float:
    """Return the share of neighbouring patches, of all pairs with a hidden one, both hidden."""
    grid = hidden.reshape(side, side)
    pairs = [(grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1])]
    both = sum(int((one & other).sum()) for one, other in pairs)
    return both / sum(int((one | other).sum()) for one, other in pairs)


def paper_blocks(side: int, rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return algorithm 1 of arXiv:2106.08254, word by word; it may hide more than the rate."""
    hidden = np.zeros((side, side), dtype=np.bool_)
    while hidden.sum() <= rate * side**2:
        area = rng.uniform(16, max(16, rate * side**2 - hidden.sum()))
        aspect = rng.uniform(0.3, 1 / 0.3)
        tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if max(tall, wide) > side:
            continue
        top, left = rng.integers(0, side - tall + 1), rng.integers(0, side - wide + 1)
        hidden[top : top + tall, left : left + wide] = True
    return hidden.reshape(-1)


@pytest.mark.parametrize(("side", "rate", "count"), [(4, 0.4, 6), (14, 0.4, 78), (28, 0.4, 314)])
def test_exactly_the_rate_of_patches_is_hidden(side: int, rate: float, count: int) -> None:
    rng = np.random.default_rng(0)
    assert {int(hide_blocks(side, rate, rng).sum()) for _ in range(50)} == {count}


def test_all_or_none_of_the_patches_can_be_hidden() -> None:
    rng = np.random.default_rng(0)
    assert not hide_blocks(4, 0.0, rng).any()
    assert hide_blocks(4, 1.0, rng).all()


def test_hidden_patches_touch_as_those_of_the_papers_algorithm_do() -> None:
    rng = np.random.default_rng(0)
    ours = np.mean([touching(hide_blocks(14, 0.4, rng), 14) for _ in range(300)])
    theirs = np.mean([touching(paper_blocks(14, 0.4, rng), 14) for _ in range(300)])
    scattered = np.mean([touching(rng.permutation(np.arange(196) < 78), 14) for _ in range(300)])
    assert abs(ours - theirs) < 0.1
    assert ours > scattered + 0.25


def test_every_patch_is_hidden_as_often_as_its_mirror_image() -> None:
    rng = np.random.default_rng(0)
    often = np.mean([hide_blocks(4, 0.4, rng) for _ in range(4000)], axis=0).reshape(4, 4)
    assert often.mean() == pytest.approx(6 / 16)
    for turned in (often[::-1], often[:, ::-1], often.T):
        assert np.abs(often - turned).max() < 0.05


def test_the_corpus_is_train2014_without_restval(world: Path) -> None:
    index = open_index(CORPUS, world, "train")
    folders = {index[place].images[0].split("/")[1] for place in range(len(index))}
    assert folders == {"train2014"}
    assert len(index) == 40 * 5


def test_streams_come_in_their_shares_and_batches_in_their_order(world: Path) -> None:
    task = opened(world)
    chosen = samples(world, 200)
    found = Counter(item["stream"] for epoch in range(3) for item in items(task, chosen, epoch))
    assert all(abs(found[stream] / 600 - 1 / 3) < 0.06 for stream in (IMAGE, PAIR, TEXT))
    batch = task.collate(items(task, chosen))
    streams = batch["stream"].tolist()
    assert streams == sorted(streams)
    assert len(batch["image"]) == streams.count(IMAGE) + streams.count(PAIR)
    assert len(batch["words"]) == streams.count(TEXT) + streams.count(PAIR)


def test_a_sample_hides_as_much_as_its_stream_says(world: Path) -> None:
    for item in items(opened(world), samples(world, 100)):
        if item["stream"] != TEXT:
            assert int(item["masked"].sum()) == 6  # 40% of 16
        if item["stream"] != IMAGE:
            rate = 0.15 if item["stream"] == TEXT else 0.5
            assert sum(item["hidden"]) == max(1, int(len(item["words"]) * rate + 0.5))
            assert not item["hidden"][0]


def test_paired_images_may_stay_clear(world: Path) -> None:
    recipe = RECIPE.with_settings(["pair_image_mask=0", "shares=0,0,1"])
    task = opened(world, recipe)
    batch = task.collate(items(task, samples(world, 20)))
    assert set(batch["stream"].tolist()) == {PAIR}
    assert not batch["masked"].any()
    assert bool(model(task)(batch).gt(0).all())


def test_a_stream_with_nothing_to_predict_is_refused(world: Path) -> None:
    with pytest.raises(UserError, match="image_mask=0 hides nothing in images alone"):
        opened(world, RECIPE.with_settings(["image_mask=0"]))
    opened(world, RECIPE.with_settings(["image_mask=0", "shares=0,1,1"]))


def test_a_hidden_word_cannot_be_read(world: Path) -> None:
    # Where the mask stands for a word, another word there changes what is asked, not what is read.
    task = opened(world, RECIPE.with_settings(["shares=0,0,1"]))
    one = samples(world, 1)[0]._replace(text="A red square in the top left.")
    other = one._replace(text="A blue square in the top left.")
    for epoch in range(40):
        first, second = (
            task.inputs(sample, sample_generator(0, epoch, one.id)) for sample in (one, other)
        )
        if first["text"][2] == TOKENIZER.mask_id:
            break
    assert first["text"] == second["text"]
    assert first["words"][2] != second["words"][2]


def test_a_hidden_patch_cannot_be_seen(world: Path) -> None:
    # All pixels have the same code here, so that only what the model sees can change the loss.
    blind_codes = PixelCodes(torch.cat([torch.zeros(1, 192), torch.full((4, 192), 1e4)]))
    task = opened(world, codes=blind_codes)
    trained = model(task)
    batch = task.collate(items(task, samples(world, 12)))
    before = losses(trained, batch)
    hidden = batch["masked"].view(-1, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    noise = torch.randn(batch["image"].shape)

    def other(changed: Tensor) -> dict[str, Tensor]:
        return {**batch, "image": batch["image"] + noise * changed}

    assert torch.equal(losses(trained, other(hidden)), before)
    assert not torch.equal(losses(trained, other(~hidden)), before)


def test_the_loss_is_the_mean_of_each_samples_own(world: Path) -> None:
    task = opened(world)
    trained = model(task)
    read = items(task, samples(world, 12))
    together = losses(trained, task.collate(read))
    apart = [losses(trained, task.collate([item])) for item in sorted(read, key=stream_of)]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=1e-5)
    assert trained(task.collate(read)) == together.mean()


def stream_of(item: Any) -> int:
    return int(item["stream"])


@torch.no_grad()
def test_a_pairs_loss_is_the_cross_entropy_of_what_is_hidden(world: Path) -> None:
    task = opened(world, RECIPE.with_settings(["shares=0,0,1", "image_weight=0.5"]))
    trained = model(task)
    batch = task.collate(items(task, samples(world, 1)))
    tokens = trained.backbone(
        batch["image"], batch["text"], masked_BN=batch["masked"], padding_BT=batch["padding"]
    ).tokens_BLD[0]
    words, patches = [], []
    for place in batch["hidden"][0].nonzero()[:, 0].tolist():
        chance = trained.head.get_submodule("mlm_head")(tokens[17 + place]).softmax(0)[
            batch["words"][0, place]
        ]
        words.append(-math.log(float(chance)))
    codes = some_codes()(batch["image"])[0]
    for place in batch["masked"][0].nonzero()[:, 0].tolist():
        chance = trained.head.get_submodule("mim_head")(tokens[1 + place]).softmax(0)[codes[place]]
        patches.append(-math.log(float(chance)))
    expected = float(np.mean(words)) + 0.5 * float(np.mean(patches))
    assert float(losses(trained, batch)[0]) == pytest.approx(expected, rel=1e-4)


def test_the_head_has_the_released_files_names_and_shapes() -> None:
    # The released base file: mlm_head [64010, 768], mim_head [8192, 768] (276,510,730 in all).
    head = MaskedHead(768, 64010, 8192, aggregator=1)
    assert {name: tuple(t.shape) for name, t in head.official_state().items()} == {
        "mlm_head.weight": (64010, 768),
        "mlm_head.bias": (64010,),
        "mim_head.weight": (8192, 768),
        "mim_head.bias": (8192,),
    }


def test_class_tokens_learn_from_the_aggregator_alone(world: Path) -> None:
    batch = opened(world).collate(items(opened(world), samples(world, 12)))
    learns = {}
    for layers in (0, 1):
        task = opened(world, RECIPE.with_settings([f"aggregator={layers}"]))
        trained = model(task)
        seen: list[Tensor] = []
        trained.backbone.get_submodule("final_norm.A").register_forward_hook(
            lambda module, inputs, output, seen=seen: (output.retain_grad(), seen.append(output))[0]
        )
        trained(batch).backward()
        gradients = [tokens.grad for tokens in seen]
        learns[layers] = all(
            bool(one[:, 0].abs().max() > 0) for one in gradients if one is not None
        )
    assert learns == {0: False, 1: True}


# One process of two: its rows of the batch, weighed and averaged as the engine does.
WORKER = """
import sys
import torch, torch.distributed as dist
from pathlib import Path
from torch.nn.parallel import DistributedDataParallel
from test_pretraining import BATCH, items, model, opened, samples

rank, folder, data = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
task = opened(data)
trained = DistributedDataParallel(model(task), find_unused_parameters=True)
mine = samples(data, BATCH)[rank::2]
batch = task.collate(items(task, mine))
(trained(batch) * (len(mine) * 2 / BATCH)).backward()
if rank == 0:
    gradients = {name: p.grad for name, p in trained.module.named_parameters()}
    torch.save(gradients, folder / "gradients.pt")
dist.destroy_process_group()
"""


def test_two_processes_learn_what_one_does(world: Path, tmp_path: Path) -> None:
    task = opened(world)
    trained = model(task)
    batch = task.collate(items(task, samples(world, BATCH)))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path), str(world)],
            cwd=Path(__file__).parent,
        )
        for rank in (0, 1)
    ]
    trained(batch).backward()
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    theirs = torch.load(tmp_path / "gradients.pt", weights_only=True)
    for name, parameter in trained.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(theirs[name], parameter.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("caption", "kinds"),
    [
        ("A red box in the top left.", ["colour", "shape", "row", "column"]),
        ("a gray ring to the left of a cross", ["colour", "shape", "relation", "shape"]),
        ("a plus sign above a little hoop", ["shape", "shape", "relation", "size", "shape"]),
        ("a big violet block with snow on the ground", ["size", "colour", "shape", "ground"]),
    ],
)
def test_words_of_captions_have_kinds(caption: str, kinds: list[str]) -> None:
    words = caption.rstrip(".").split()
    found = [kind_of(words, place) for place in range(len(words))]
    assert [kind for kind in found if kind != "rest"] == kinds


def test_words_are_hidden_as_often_as_their_weights_say() -> None:
    ids = TOKENIZER.encode("a red ring above a blue cross", 32)
    chances = word_chances("shape:3", TOKENIZER)
    assert chances is not None
    counts = Counter[int]()
    for seed in range(3000):
        rng = np.random.default_rng(seed)
        hidden = hide_words(ids, 0.1, TOKENIZER, rng, chances=chances[ids]).is_hidden
        assert sum(hidden) == 1
        counts[hidden.index(True)] += 1
    # Eight places can be hidden, two of them three times as often as the other six.
    for place in range(1, len(ids)):
        expected = 3000 * (3 if place in (3, 7) else 1) / 12
        assert abs(counts[place] - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("weights", ["shape", "shape:x", "shape:0", "xylophone:2"])
def test_word_weights_that_mean_nothing_are_refused(weights: str) -> None:
    with pytest.raises(UserError, match="--set word_weights"):
        word_chances(weights, TOKENIZER)


def test_health_counts_what_a_model_that_always_says_red_gets_right(world: Path) -> None:
    head = MaskedHead(96, 512, 4)
    red = TOKENIZER.encode("red", 8)[1]
    with torch.no_grad():
        head.mlm_head.weight.zero_()
        head.mlm_head.bias[red] = 1.0
    index = open_index(CORPUS, world, "val")
    work = Examination(
        backbone=beit3("beit3_tiny"),
        head=head,
        tokenizer=TOKENIZER,
        data=world,
        index=index,
        max_text_tokens=32,
    )
    found = {one.kind: one for one in word_health(work, len(index))}
    texts = [
        index[place].text.lower().replace(".", "").replace(",", "") for place in range(len(index))
    ]
    words = Counter(word for text in texts for word in text.split())
    colours = sum(
        words[c] for c in ("red", "green", "blue", "yellow", "purple", "violet", "gray", "grey")
    )
    assert found["colour"].hidden == colours
    assert found["colour"].with_image == pytest.approx(100 * words["red"] / colours)
    assert found["colour"].with_image == found["colour"].blank
    assert found["shape"].with_image == 0
    assert found["all"].hidden == sum(one.hidden for kind, one in found.items() if kind != "all")
