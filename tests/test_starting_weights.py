"""Which file a run starts from: the recipe's own, a shipped one, another, or none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from evalsuite.backbones import weights as fetch
from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.beit3.recognise import recognise
from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.loading import official_state
from evalsuite.backbones.weights import local_file, shipped_files
from evalsuite.catalog import task_named, task_names
from evalsuite.heads.matching import RetrievalHead
from evalsuite.heads.words import WordHead
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request
from evalsuite.verbs.starting_weights import holds_head

MASKED = "beit3_tiny_patch8_32.safetensors"
ITC = "beit3_tiny_itc_patch8_32.safetensors"
SETTINGS = ("epochs=0.25", "batch_size=16", "micro_batch=16")
MOST_BYTES = 20_000_000


def pretrained_state() -> dict[str, Tensor]:
    """Return what masked pretraining leaves: the backbone and both of its heads."""
    backbone = beit3("beit3_tiny", final_norm=True, seed=3)
    words = WordHead(backbone.width, 512).state_dict()
    codes = {"mim_head.weight": torch.zeros(8, 96), "mim_head.bias": torch.zeros(8)}
    return official_state(backbone, None) | words | codes


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships weights, here with random ones; COCO retrieval starts from `ITC`."""
    folder = tmp_path / "weights"
    folder.mkdir()
    masked = pretrained_state()
    save_checkpoint(folder / MASKED, masked, {})
    itc = {key: value for key, value in masked.items() if not key.startswith("mim_head")}
    save_checkpoint(folder / ITC, itc | RetrievalHead(96, seed=3).state_dict(), {})
    monkeypatch.setattr(fetch, "SHIPPED", folder)
    recipes = task_named("retrieval_coco").recipes
    usual = replace(recipes["beit3_tiny"], weights=ITC)
    monkeypatch.setitem(recipes, "beit3_tiny", usual)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("retrieval_coco",))
    return folder


@pytest.fixture
def request_of(shipped: Path, world: Path, tmp_path: Path) -> Request:
    runs = tmp_path / "runs"
    return Request(task="retrieval_coco", data=world, runs=runs, settings=SETTINGS)


def run_of(request: Request) -> Run:
    """Evaluate, and return the run that it made."""
    before = set(request.runs.glob("*"))
    assert evaluate(request).report is not None
    (made,) = set(request.runs.glob("*")) - before
    return Run.open(made)


def test_a_shipped_file_is_found_by_name_with_or_without_its_ending(shipped: Path) -> None:
    assert local_file(ITC) == local_file("beit3_tiny_itc_patch8_32") == shipped / ITC
    with pytest.raises(UserError, match=f"did you mean {MASKED}"):
        local_file("beit3_tiny_patch8_224.safetensors")


def test_the_recipes_weights_are_fine_tuned_and_named(shipped: Path, request_of: Request) -> None:
    run = run_of(request_of)
    weights = run.facts["weights"]
    assert weights["origin"] == f"pretrained: {ITC}"
    assert weights["sha256"] == run.facts["identity"]["weights"] == file_sha256(shipped / ITC)
    assert weights["fine_tuned_here"]
    assert {"vision_head.weight", "language_head.weight"} <= set(weights["keys"]["loaded"])
    assert f"pretrained: {ITC}" in (run.folder / "report.md").read_text()


def test_the_recipes_weights_serve_as_they_are_when_zero_shot(request_of: Request) -> None:
    run = run_of(replace(request_of, zero_shot=True))
    assert not run.facts["weights"]["fine_tuned_here"]
    assert not run.training_log.exists()


def test_contrastive_weights_that_a_person_names_serve_as_they_are(request_of: Request) -> None:
    assert not run_of(replace(request_of, weights=ITC)).facts["weights"]["fine_tuned_here"]


def test_scratch_starts_from_nothing_as_without_any_shipped_file(request_of: Request) -> None:
    run = run_of(replace(request_of, weights="scratch"))
    assert run.facts["weights"]["origin"] == "from scratch, seed 0"
    assert run.facts["identity"]["weights"] is None
    # The file has its own place in the identity; the recipe's name for it would change the run's.
    assert "weights" not in run.facts["identity"]["recipe"]
    again = replace(request_of, settings=(*SETTINGS, "weights=none"))
    evaluate(again)
    assert len(list(request_of.runs.iterdir())) == 1


def test_masked_weights_serve_no_task_as_they_are(request_of: Request) -> None:
    with pytest.raises(UserError, match=f"pretrained: {MASKED} holds no head for it"):
        evaluate(replace(request_of, weights=MASKED, zero_shot=True))
    assert run_of(replace(request_of, weights=MASKED)).facts["weights"]["fine_tuned_here"]


def test_a_head_counts_only_in_files_that_were_last_trained_for_it() -> None:
    masked, words = pretrained_state(), WordHead(96, 512)
    matching = RetrievalHead(96, seed=0)
    itc = masked | matching.state_dict()
    captioner = {key: value for key, value in masked.items() if not key.startswith("mim_head")}
    assert recognise(captioner).task == "captioning"
    found = {
        (name, type(head).__name__): holds_head(state, head)
        for name, state in {"masked": masked, "itc": itc, "captioner": captioner}.items()
        for head in (words, matching)
    }
    assert {pair for pair, holds in found.items() if holds} == {
        ("captioner", "WordHead"),
        ("itc", "RetrievalHead"),
    }
    assert not holds_head({}, nn.Linear(1, 1))


def test_big_recipes_download_nothing_unasked() -> None:
    for name in ("vqa", "retrieval_coco", "captioning", "detection"):
        for backbone in ("beit3_base", "beit3_large"):
            assert task_named(name).recipe(backbone).weights is None


def test_what_is_shipped_is_small_and_says_where_it_comes_from() -> None:
    assert (fetch.SHIPPED / "README.md").is_file()
    assert sum(path.stat().st_size for path in fetch.SHIPPED.iterdir()) <= MOST_BYTES
    card = (fetch.SHIPPED / "README.md").read_text()
    assert all(name in card for name in shipped_files())
    chosen = {task_named(name).recipe("beit3_tiny").weights for name in task_names()}
    assert chosen <= {None, *shipped_files()}
