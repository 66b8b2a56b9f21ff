"""Folders of weights: shards with their index, a run, what accelerate writes; or told by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_bad_input import refused as refused
from torch import Tensor

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.beit3.recognise import convert
from evalsuite.backbones.loading import official_state
from evalsuite.tinyworld.write import write_world

Refused = Callable[..., str]
INDEX = "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return official_state(beit3("beit3_tiny", final_norm=True, seed=3), None)


@pytest.fixture
def sharded(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    """A folder as Hugging Face's `save_pretrained` writes a large model."""
    folder = tmp_path / "hf"
    folder.mkdir()
    keys = sorted(state)
    halves = dict(zip(SHARDS, (keys[:80], keys[80:]), strict=True))
    for name, part in halves.items():
        save_file({key: state[key].clone() for key in part}, folder / name)
    places = {key: name for name, part in halves.items() for key in part}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def same_as_converted(path: Path, state: dict[str, Tensor]) -> bool:
    out = (path if path.is_dir() else path.parent).with_suffix(".safetensors")
    convert(path, out)
    tensors = load_file(out)
    return tensors.keys() == state.keys() and all(torch.equal(tensors[k], state[k]) for k in state)


def test_shards_are_joined_from_their_folder_and_their_index(
    sharded: Path, state: dict[str, Tensor]
) -> None:
    (sharded / "config.json").write_text("{}")
    assert same_as_converted(sharded, state)
    assert same_as_converted(sharded / INDEX, state)
    (sharded / INDEX).unlink()
    assert same_as_converted(sharded, state)


def test_shards_of_pytorch_are_joined(sharded: Path, state: dict[str, Tensor]) -> None:
    places = json.loads((sharded / INDEX).read_text())["weight_map"]
    for name in SHARDS:
        torch.save(load_file(sharded / name), sharded / name.replace("safetensors", "bin"))
        (sharded / name).unlink()
    (sharded / INDEX).unlink()
    places = {key: name.replace("safetensors", "bin") for key, name in places.items()}
    index = sharded / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert same_as_converted(sharded, state)


def test_what_accelerate_saves_is_read(tmp_path: Path, state: dict[str, Tensor]) -> None:
    folder = tmp_path / "checkpoint_0"
    folder.mkdir()
    save_file(state, folder / "model.safetensors")
    for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
        (folder / name).write_bytes(b"\x80\x02}.")
    assert same_as_converted(folder, state)


@pytest.mark.parametrize("named", [".", "checkpoints"])
def test_a_run_folder_stands_for_its_result(
    tmp_path: Path, state: dict[str, Tensor], named: str
) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    save_file(state, run / "checkpoints" / "final.safetensors")
    out = tmp_path / "out.safetensors"
    assert f"weights: {run / 'checkpoints' / 'final.safetensors'}" in str(convert(run / named, out))


def test_a_missing_shard_is_named(sharded: Path, refused: Refused) -> None:
    (sharded / SHARDS[1]).unlink()
    assert f"1 of them not beside it: {SHARDS[1]}" in refused("eval", "vqa", "--weights", sharded)
    (sharded / INDEX).unlink()
    assert f"lacks the shards {SHARDS[1]}" in refused("eval", "vqa", "--weights", sharded)


@pytest.mark.parametrize("name", ["../w.safetensors", "/etc/passwd", "a\\..\\..\\w.bin", "C:\\w"])
def test_an_index_that_points_elsewhere_is_not_followed(
    sharded: Path, refused: Refused, name: str
) -> None:
    (sharded / INDEX).write_text(json.dumps({"weight_map": {"beit3.a": name}}))
    line = refused("convert", sharded, sharded / "out.safetensors")
    assert "outside its own folder; not opened" in line


def test_shards_that_contradict_each_other_or_their_index_are_refused(
    sharded: Path, state: dict[str, Tensor], refused: Refused
) -> None:
    second = load_file(sharded / SHARDS[1])
    key = min(state)
    save_file(second | {key: state[key] + 1}, sharded / SHARDS[1])
    line = refused("convert", sharded, sharded / "out.safetensors")
    assert f"{key} has other values than in a shard before it" in line
    lost = second.popitem()[0]
    save_file(second, sharded / SHARDS[1])
    line = refused("convert", sharded, sharded / "out.safetensors")
    assert f"lacks {lost}, which the index says is there" in line


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "an empty folder"),
        (("config.json", "vocab.txt"), "found config.json, vocab.txt"),
        ((".metadata", "__0_0.distcp"), "dcp_to_torch"),
        (("zero_to_fp32.py", "latest"), "zero_to_fp32.py"),
        (("saved_model.pb",), "a TensorFlow model"),
        (("a.pth", "b.pth"), "(a.pth, b.pth); name one"),
        (("run.json",), "has not finished fine-tuning"),
        (("checkpoint-500/model.safetensors",), "in checkpoint-500 below"),
    ],
)
def test_a_folder_without_weights_says_what_it_is(
    tmp_path: Path, refused: Refused, names: tuple[str, ...], expected: str
) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    line = refused("eval", "vqa", "--weights", folder)
    assert expected in line
    assert str(folder) in line


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.mul(float("nan")), "NaN or infinite numbers"),
        (lambda t: t.to(torch.int8), "as int8, as quantised weights do"),
    ],
)
def test_weights_that_can_only_score_wrong_are_refused(
    tmp_path: Path,
    state: dict[str, Tensor],
    refused: Refused,
    change: Callable[[Tensor], Tensor],
    expected: str,
) -> None:
    key = "beit3.encoder.layers.0.ffn.A.fc1.weight"
    save_file(state | {key: change(state[key])}, tmp_path / "w.safetensors")
    write_world(tmp_path / "world", size="mini", benchmarks=("imagenet",))
    words = ("--weights", tmp_path / "w.safetensors", "--data", tmp_path / "world")
    assert expected in refused("finetune", "imagenet", *words)
