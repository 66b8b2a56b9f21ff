import argparse
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from torch import Tensor
from torchscale_beit3 import official_beit3, prefixed

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.backbones.beit3.model import Beit3, beit3
from evalsuite.backbones.beit3.recognise import convert, recognise
from evalsuite.backbones.checkpoint import read_checkpoint, save_checkpoint
from evalsuite.backbones.loading import load_weights, official_state
from evalsuite.heads.matching import RetrievalHead
from evalsuite.heads.pooled import AnswerHead
from evalsuite.heads.words import WordHead
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256

SMALL = replace(CONFIGS["beit3_tiny"], vocab_size=60)
NO_NORM = replace(SMALL, final_norm=False)


def vqa_state(num_answers: int = 5) -> dict[str, Tensor]:
    return official_state(Beit3(NO_NORM), AnswerHead(96, num_answers, seed=3))


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


class Payload:
    """What a hostile file holds: opening it the old way would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_wants_to_run_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    trace, path = tmp_path / "executed", tmp_path / "evil.pth"
    content = {"model": {"w": torch.zeros(1)}, "args": Payload(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"evil\.pth: refused, it asks to run .*mkdir"):
        read_checkpoint(path)
    assert not trace.exists()


def test_a_bare_pickle_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    trace, path = tmp_path / "executed", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Payload(trace), protocol=2))
    with pytest.raises(UserError, match=r"evil\.pth"):
        read_checkpoint(path)
    assert not trace.exists()


def test_files_of_the_official_training_code_open(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-best.pth"
    state = {"beit3.text_embed.weight": torch.ones(2, 2)}
    args = argparse.Namespace(lr=1e-3, task="vqav2", betas=[0.9, 0.98])
    torch.save({"model": state, "optimizer": {"state": {}}, "epoch": 3, "args": args}, path)
    assert equal(read_checkpoint(path), state)
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


@pytest.mark.parametrize("wrap", [lambda s: {"model": s}, lambda s: {"module": s}, lambda s: s])
def test_state_is_found_under_model_module_or_bare(tmp_path: Path, wrap: Any) -> None:
    path, state = tmp_path / "w.pth", {"a.weight": torch.arange(3.0)}
    torch.save(wrap(state), path)
    assert equal(read_checkpoint(path), state)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save({"model": {"w": torch.zeros(500)}}, whole)
    content = whole.read_bytes()
    save_checkpoint(tmp_path / "whole.safetensors", {"w": torch.zeros(500)}, {})
    tensors = (tmp_path / "whole.safetensors").read_bytes()
    for name, damaged, message in (
        ("cut.pth", content[: len(content) // 2], "cut short or damaged"),
        ("text.pth", b"not a checkpoint", "a text file"),
        ("page.pth", b"<!DOCTYPE html><html>", "a web page"),
        ("empty.pth", b"", "an empty file"),
        ("garbage.pth", b"\x80\x02garbage", "damaged"),
        ("cut.safetensors", tensors[: len(tensors) // 2], "safetensors file that is cut short"),
    ):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(UserError, match=message) as caught:
            read_checkpoint(tmp_path / name)
        assert name in str(caught.value)
    with pytest.raises(UserError, match="no such file"):
        read_checkpoint(tmp_path / "absent.pth")


def test_a_file_without_state_says_what_it_holds(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"no state dictionary .*but epoch, loss"):
        read_checkpoint(tmp_path / "w.pth")


def test_saved_weights_come_back_with_metadata(tmp_path: Path) -> None:
    path, state = tmp_path / "w.safetensors", vqa_state()
    save_checkpoint(path, state, {"task": "vqa"})
    assert equal(read_checkpoint(path), state)
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"task": "vqa"}
    assert list(tmp_path.iterdir()) == [path]


def test_equal_weights_and_metadata_are_equal_bytes(tmp_path: Path) -> None:
    state = {"w": torch.arange(6.0).reshape(2, 3), "ä": torch.ones(1, dtype=torch.int64)}
    metadata = {f"key{number}": f'"{number}"\n\x1f é' for number in range(9)}
    paths = [tmp_path / f"{number}.safetensors" for number in range(4)]
    for path, names in zip(paths, (metadata, [*metadata][::-1]) * 2, strict=True):
        save_checkpoint(path, state, {name: metadata[name] for name in names})
    assert len({path.read_bytes() for path in paths}) == 1
    with safetensors.safe_open(paths[0], "pt") as file:
        assert file.metadata() == metadata
        assert torch.equal(file.get_tensor("w"), state["w"]) and file.get_tensor("ä").item() == 1


def test_a_failed_save_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, {"w": torch.ones(2)}, {})
    with pytest.raises(Exception, match=r"metadata|argument|str"):
        save_checkpoint(path, {"w": torch.zeros(2)}, {"task": 3})  # type: ignore[dict-item]
    assert equal(read_checkpoint(path), {"w": torch.ones(2)})
    assert list(tmp_path.iterdir()) == [path]


def test_sha256_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")  # FIPS 180-2 appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "f") == digest


def test_weights_come_back_as_they_were_through_official_keys() -> None:
    official = official_beit3(SMALL)
    model = Beit3(SMALL)
    report = load_weights(model, None, prefixed(official))
    assert equal(official_state(model, None), prefixed(official))
    assert len(report.loaded) == len(official.state_dict())
    assert (report.interpolated, report.missing, report.unused) == ((), (), ())


def test_a_pretrained_files_other_heads_and_norm_are_reported_unused() -> None:
    state = official_state(Beit3(SMALL), WordHead(96, 60))
    report = load_weights(Beit3(NO_NORM), AnswerHead(96, 5), state, new_head=True)
    norms = {f"beit3.encoder.layer_norm.{x}.{k}" for x in "AB" for k in ("weight", "bias")}
    assert set(report.unused) == norms | {"mlm_head.weight", "mlm_head.bias"}
    assert len(report.missing) == len(AnswerHead(96, 5).state_dict())
    assert "not used: beit3.encoder.layer_norm" in str(report)


def test_another_number_of_classes_is_refused_unless_the_head_is_new() -> None:
    state = vqa_state(5)
    with pytest.raises(UserError, match=r"vqa\.pth: head\.3.* has 5 rows, the task has 7 classes"):
        load_weights(Beit3(NO_NORM), AnswerHead(96, 7), state, source="vqa.pth")
    head = AnswerHead(96, 7)
    report = load_weights(Beit3(NO_NORM), head, state, new_head=True)
    assert report.missing == ("head.3.weight", "head.3.bias")
    assert torch.equal(head.pooler.dense.weight, state["pooler.dense.weight"])


def test_a_file_without_the_tasks_head_is_refused() -> None:
    with pytest.raises(UserError, match=r"holds no head for this task \(lacks logit_scale"):
        load_weights(Beit3(NO_NORM), RetrievalHead(96), vqa_state())


def test_image_positions_of_another_size_are_interpolated() -> None:
    state = official_state(Beit3(SMALL), None)
    model = Beit3(replace(SMALL, image_size=48), seed=None)
    report = load_weights(model, None, state)
    assert report.interpolated == ("beit3.encoder.embed_positions.A.weight",)
    rows = state["beit3.encoder.embed_positions.A.weight"]
    assert torch.equal(model.embed_positions["A"].get_parameter("weight")[:3], rows[:3])


def test_weights_of_another_backbone_are_refused() -> None:
    state = vqa_state()
    with pytest.raises(UserError, match=r"lacks layers\.4"):
        load_weights(Beit3(replace(NO_NORM, depth=5)), None, state)
    with pytest.raises(UserError, match=r"holds layers\.3.*which the model does not have"):
        load_weights(Beit3(replace(NO_NORM, depth=3)), None, state)
    with pytest.raises(UserError, match=r"text_embed.weight has shape \(60, 96\), expected \(61"):
        load_weights(Beit3(replace(NO_NORM, vocab_size=61)), None, state)
    with pytest.raises(UserError, match=r"lacks final_norm"):
        load_weights(Beit3(SMALL), None, state)
    with pytest.raises(UserError, match="no key starts with"):
        load_weights(Beit3(SMALL), None, {"blocks.0.weight": torch.zeros(1)})


def test_half_precision_files_load_as_single_precision() -> None:
    state = {key: tensor.half() for key, tensor in vqa_state().items()}
    model = Beit3(NO_NORM, seed=None)
    load_weights(model, None, state)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_convert_recognises_and_keeps_every_tensor(tmp_path: Path) -> None:
    state = vqa_state(5)
    torch.save({"model": state}, tmp_path / "vqa.pth")
    found = convert(tmp_path / "vqa.pth", tmp_path / "vqa.safetensors")
    assert (found.backbone, found.task, found.num_classes) == ("beit3_tiny", "vqa", 5)
    assert (found.image_size, found.final_norm) == (32, False)
    assert equal(read_checkpoint(tmp_path / "vqa.safetensors"), state)
    assert "beit3_tiny at 32 pixels\nhead: vqa (5 classes)" in str(found)
    with pytest.raises(UserError, match=r"ends in \.safetensors"):
        convert(tmp_path / "vqa.pth", tmp_path / "vqa.bin")


def test_released_shapes_are_recognised() -> None:
    with torch.device("meta"):
        model, head = beit3("beit3_large", image_size=384), RetrievalHead(1024)
    found = recognise(official_state(model, head))
    assert (found.backbone, found.image_size, found.task) == ("beit3_large", 384, "retrieval")
    assert found.num_parameters == 675_188_737
