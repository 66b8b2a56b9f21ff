"""Weights as training programs leave them: read whatever wraps them, or told by name."""

import argparse
import gzip
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from evalsuite.__main__ import main
from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.loading import official_state

State = dict[str, Tensor]
Converted = Callable[..., tuple[State, str]]


@pytest.fixture(scope="module")
def state() -> State:
    return official_state(beit3("beit3_tiny", final_norm=True, seed=3), None)


@pytest.fixture
def converted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Converted:
    """Run `evalsuite convert` on a file with this content; return its tensors and what it says."""

    def run(content: Any, *words: str) -> tuple[State, str]:
        path, out = tmp_path / "w.pth", tmp_path / "out.safetensors"
        if isinstance(content, Path):
            path = content
        else:
            torch.save(content, path)
        monkeypatch.setattr(sys, "argv", ["evalsuite", "convert", str(path), str(out), *words])
        with pytest.raises(SystemExit) as ending:
            main()
        printed = capsys.readouterr()
        if ending.value.code:
            assert ending.value.code == 2
            assert len(printed.err.splitlines()) == 1
            return {}, printed.err
        return load_file(out), printed.out

    return run


def same(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(
        first[key].dtype == second[key].dtype and torch.equal(first[key], second[key])
        for key in first
    )


def below(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "model.module."],
)
@pytest.mark.parametrize("key", ["", "state_dict", "model_state_dict", "model", "net"])
def test_wrappers_are_taken_off_and_counted(
    converted: Converted, state: State, prefix: str, key: str
) -> None:
    wrapped = below(prefix, state)
    tensors, printed = converted({key: wrapped, "epoch": 3} if key else wrapped)
    assert same(tensors, state)
    first = prefix.replace("_orig_mod.", "") or prefix
    assert f"dropped the prefix `{first}` from {len(state)} keys" in printed


def test_a_part_that_was_compiled_alone_is_read(converted: Converted, state: State) -> None:
    inside = {key.replace("beit3.", "beit3._orig_mod.", 1): t for key, t in state.items()}
    assert same(converted(inside)[0], state)


def test_a_lightning_file_keeps_heads_that_stand_beside_the_model(
    converted: Converted, state: State
) -> None:
    extra = {"head.weight": torch.ones(7, 96), "criterion.weight": torch.ones(7)}
    file = {"state_dict": below("model.", state) | extra, "hyper_parameters": {"lr": 0.1}}
    tensors, printed = converted(file)
    assert same(tensors, state | extra)
    assert "(7 classes)" in printed


@pytest.mark.parametrize(
    ("usual", "average", "taken"),
    [
        ("model", "model_ema", "model"),  # unilm beit3/utils.py reads `model`
        ("state_dict", "state_dict_ema", "state_dict_ema"),  # timm load_state_dict(use_ema=True)
        ("state_dict", "ema_state_dict", "state_dict"),
    ],
)
def test_which_of_usual_and_averaged_weights_is_read_is_said(
    converted: Converted, state: State, usual: str, average: str, taken: str
) -> None:
    ones = {key: torch.ones_like(tensor) for key, tensor in state.items()}
    both = {usual: state, average: below("module.", ones)}
    tensors, printed = converted(both)
    assert same(tensors, state if taken == usual else ones)
    assert f"took the weights under `{taken}`" in printed
    left = average if taken == usual else usual
    assert f"--state {left}" in printed
    assert same(converted(both, "--state", left)[0], ones if taken == usual else state)


def test_mmengine_writes_the_average_as_the_usual_weights(
    converted: Converted, state: State
) -> None:
    meta = {"mmengine_version": "0.10.7"}
    file = {"meta": meta, "state_dict": state, "ema_state_dict": below("module.", state)}
    assert "the averaged (EMA) ones as mmengine writes them" in converted(file)[1]


def test_an_average_alone_is_read_and_said(converted: Converted, state: State) -> None:
    tensors, printed = converted({"model_ema": state, "epoch": 3})
    assert same(tensors, state)
    assert "read the weights under `model_ema`" in printed


def test_two_models_of_equal_standing_are_asked_about(converted: Converted, state: State) -> None:
    line = converted({"student": state, "expert": state})[1]
    assert "--state student" in line
    assert "`expert`" in line


def test_what_training_programs_save_beside_the_weights_is_no_obstacle(
    converted: Converted, state: State
) -> None:
    args = argparse.Namespace(lr=1e-3, data_path=Path("/x"), best=np.float64(3.5))
    file = {"model": state, "optimizer": {"state": {}, "param_groups": []}, "args": args}
    assert same(converted(file)[0], state)


def test_half_precision_and_tied_tensors_stay_as_they_are(
    converted: Converted, state: State
) -> None:
    half = {key: tensor.bfloat16() for key, tensor in state.items()}
    half["head.weight"] = half["beit3.text_embed.weight"]
    assert same(converted(half)[0], half)


def files() -> dict[str, tuple[bytes, str]]:
    """What stands in the place of weights, and what its line must say."""
    return {
        "lfs.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        "page.pth": (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        "error.pth": (b'<?xml version="1.0"?><Error/>', "a web page or XML"),
        "packed.pth": (gzip.compress(b"PK\x03\x04"), "gunzip"),
        "empty.pth": (b"", "an empty file"),
        "flax_model.msgpack": (b"\x82\xa6params\x80", "Flax"),
        "model.onnx": (b"\x08\x08\x12\x07pytorch", "ONNX"),
        "llama.bin": (b"GGUF\x03\0\0\0", "GGUF"),
        "model.h5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
        "m.ckpt.data-00000-of-00001": (b"\0" * 64, "TensorFlow"),
        "config.json": (b'{"hidden_size": 768}', "JSON"),
        "notes.pth": (b"see the wiki", "a text file"),
        "cut.safetensors": (b"\x80\0\0\0\0\0\0\0" + b'{"w":', "cut short or damaged"),
        "cut.pth": (b"PK\x03\x04" + b"\0" * 300, "cut short or damaged"),
    }


@pytest.mark.parametrize("name", files())
def test_a_file_of_another_kind_is_told_by_name(
    converted: Converted, tmp_path: Path, name: str
) -> None:
    content, expected = files()[name]
    (tmp_path / name).write_bytes(content)
    line = converted(tmp_path / name)[1]
    assert str(tmp_path / name) in line
    assert expected in line
    # Fetching again helps only where a download stopped.
    assert ("fetch the file again" in line) == name.startswith(("empty", "cut"))


def test_a_program_in_the_place_of_weights_is_told_by_name(
    converted: Converted, tmp_path: Path
) -> None:
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "j.pt"))
    assert "a TorchScript archive" in converted(tmp_path / "j.pt")[1]
    np.savez(tmp_path / "w.npz", a=np.zeros(2))
    assert "NumPy arrays (.npz" in converted(tmp_path / "w.npz")[1]
    assert "a whole pickled model" in converted(torch.nn.Linear(2, 2))[1]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], 0.1).state_dict()
    assert "no weights; name the model's file" in converted(optimizer)[1]
