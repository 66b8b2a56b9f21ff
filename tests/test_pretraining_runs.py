"""Pretraining from the command line: stages that follow one another, killed and resumed."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evalsuite.__main__ import main
from evalsuite.backbones.beit3.recognise import recognise
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.data.index import open_index
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.preparing import PretrainRequest
from evalsuite.pretraining.run import pretrain
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.records.training import read_training
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate, finetune
from evalsuite.verbs.prepare import Request

SETTINGS = ("epochs=1", "batch_size=16", "micro_batch=8", "warmup_epochs=0.2")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_world(folder, size="mini", benchmarks=("vqa", "captioning", "retrieval_coco"))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def request(world: Path, runs: Path, **wishes: object) -> PretrainRequest:
    wishes = {"settings": SETTINGS, "limit": 64, **wishes}
    return PretrainRequest(data=world, runs=runs, device="cpu", **wishes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tokenizer(world: Path, runs: Path) -> Path:
    settings = ("codes=pixels", "num_codes=16", "cluster_images=40")
    return pretrain(request(world, runs, stage="tokenizer", settings=settings)).weights


@pytest.fixture(scope="module")
def masked(world: Path, runs: Path, tokenizer: Path) -> Run:
    return pretrain(request(world, runs, tokenizer=str(tokenizer)))


def test_pixels_are_clustered_of_the_first_samples_alone(
    world: Path, tmp_path: Path, tokenizer: Path
) -> None:
    # As many codes as one image has patches: each patch is its own code.
    settings = ("codes=pixels", "num_codes=16")
    run = pretrain(request(world, tmp_path, stage="tokenizer", settings=settings, limit=1))
    codes_KP = read_checkpoint(run.weights)["pixel_codebook"]
    name = open_index(CORPUS, world, "train")[0].images[0]
    pixels = np.asarray(Image.open(world / name).convert("RGB").resize((32, 32)), dtype=np.float32)
    patches = (pixels / 127.5 - 1).reshape(4, 8, 4, 8, 3).transpose(0, 2, 4, 1, 3).reshape(16, 192)
    found = {tuple(np.round(code, 2)) for code in codes_KP.numpy()}
    assert found == {tuple(np.round(patch, 2)) for patch in patches}


def test_masked_weights_are_recognised_as_pretrained(masked: Run) -> None:
    state = read_checkpoint(masked.weights)
    found = recognise(state)
    assert (found.backbone, found.image_size, found.task) == ("beit3_tiny", 32, "pretrained")
    assert found.final_norm
    assert [key for key in found.keys if not key.startswith("beit3.")] == [
        "mim_head.bias",
        "mim_head.weight",
        "mlm_head.bias",
        "mlm_head.weight",
    ]
    assert state["mim_head.weight"].shape == (16, 96)


def test_masked_runs_say_what_words_they_know(masked: Run) -> None:
    found = json.loads((masked.folder / "health.json").read_text())
    kinds = {one["kind"] for one in found}
    assert {"shape", "colour", "size", "row", "column", "ground", "all"} <= kinds
    assert all(0 <= one["with_image"] <= 100 and one["hidden"] > 0 for one in found)


def test_the_same_request_again_trains_nothing(
    world: Path, runs: Path, tokenizer: Path, masked: Run
) -> None:
    before = masked.weights.stat().st_mtime_ns
    again = pretrain(request(world, runs, tokenizer=str(tokenizer)))
    assert again.folder == masked.folder
    assert again.weights.stat().st_mtime_ns == before
    assert again.is_continued


def test_weights_are_finished_where_there_is_no_image_to_ask_about(
    world: Path, tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "world"
    shutil.copytree(world, part)
    shutil.rmtree(part / "coco/val2014")
    run = pretrain(request(part, tmp_path / "runs", tokenizer=str(tokenizer), limit=16))
    assert run.weights.is_file()
    assert not (run.folder / "health.json").exists()
    said = capsys.readouterr().err
    assert "its words could not be examined: " in said
    assert "val2014" in said


@pytest.mark.parametrize("task", ["vqa", "captioning"])
def test_masked_weights_can_be_fine_tuned(
    world: Path, tmp_path: Path, masked: Run, task: str
) -> None:
    settings = ("epochs=1", "batch_size=8")
    run = finetune(
        Request(
            task=task,
            weights=str(masked.weights),
            data=world,
            runs=tmp_path,
            limit=8,
            settings=settings,
        )
    )
    keys = run.facts["weights"]["keys"]
    heads = {"vqa": [], "captioning": ["mlm_head.weight", "mlm_head.bias"]}[task]
    assert [key for key in keys["loaded"] if not key.startswith("beit3.")] == heads
    assert not [key for key in keys["missing"] if key.startswith("beit3.")]


def test_contrastive_weights_retrieve_without_fine_tuning(
    world: Path, runs: Path, tmp_path: Path, masked: Run
) -> None:
    run = pretrain(
        request(
            world,
            runs,
            stage="itc",
            weights=str(masked.weights),
            settings=("epochs=1", "batch_size=16"),
        )
    )
    state = read_checkpoint(run.weights)
    heads = {key for key in state if not key.startswith("beit3.")}
    assert heads == {"vision_head.weight", "language_head.weight", "logit_scale"}
    found = Request(
        task="retrieval_coco",
        weights=str(run.weights),
        data=world,
        runs=tmp_path,
        zero_shot=True,
        device="cpu",
    )
    report = evaluate(found).report
    assert report is not None
    assert {"tr_at_1", "ir_at_1"} <= {score.name for score in report.scores}


def test_micro_batches_add_up_to_the_same_weights(
    world: Path, tmp_path: Path, masked: Run, tokenizer: Path
) -> None:
    settings = (*SETTINGS[:2], "micro_batch=16", SETTINGS[3])
    other = pretrain(request(world, tmp_path, tokenizer=str(tokenizer), settings=settings))
    ours, theirs = read_checkpoint(masked.weights), read_checkpoint(other.weights)
    for name, tensor in ours.items():
        assert torch.allclose(tensor, theirs[name], atol=2e-5), name


# Saves and logs at every step, and takes its time, so that there is time to kill it.
DRIVER = """
import time
import evalsuite.engine.finetune as f
save = f.save_state
f.save_state = lambda *words: (save(*words), time.sleep(0.05))
f.SECONDS_BETWEEN_STATES = 0.0
f.STEPS_BETWEEN_LOGS = 1
from evalsuite.__main__ import main
main()
"""


def started(world: Path, runs: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", DRIVER, "pretrain", "--data", str(world), "--limit", "64"]
    for setting in SETTINGS:
        command += ["--set", setting]
    command += ["--runs", str(runs), "--device", "cpu", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def saved_steps(runs: Path) -> int:
    return max((int(path.name[5:]) for path in runs.glob("*/checkpoints/step-*")), default=0)


@pytest.mark.parametrize("stage", ["masked", pytest.param("tokenizer", marks=pytest.mark.slow)])
def test_killed_at_three_points_it_has_the_same_loss_at_every_step(
    world: Path, tmp_path: Path, tokenizer: Path, stage: str
) -> None:
    words = ["--stage", stage, "--set", "epochs=2"]
    words += ["--tokenizer", str(tokenizer)] if stage == "masked" else ["--set", "num_codes=8"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    reference = started(world, whole, *words)
    for steps in (1, 3, 6):
        process = started(world, killed, *words)
        while saved_steps(killed) < steps:
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert started(world, killed, *words).wait() == 0
    assert reference.wait() == 0
    first, second = (Run.open(next(folder.iterdir())) for folder in (whole, killed))
    assert len(second.facts["sessions"]) == 4
    points = read_training(first.training_log)
    assert [point.step for point in points] == list(range(1, 9))
    assert read_training(second.training_log) == points
    ours, theirs = read_checkpoint(first.weights), read_checkpoint(second.weights)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["masked", "tokenizer"])
def test_two_processes_train_to_the_same_weights_as_one(
    world: Path, tmp_path: Path, tokenizer: Path, stage: str
) -> None:
    words = ["-m", "evalsuite", "pretrain", "--stage", stage, "--data", str(world)]
    words += ["--limit", "64", "--device", "cpu"]
    words += ["--tokenizer", str(tokenizer)] if stage == "masked" else ["--set", "num_codes=8"]
    for setting in SETTINGS:
        words += ["--set", setting]
    double = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29483"]
    states = []
    for launcher, runs in (([], tmp_path / "one"), (double, tmp_path / "two")):
        command = [sys.executable, *launcher, *words, "--runs", str(runs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        states.append(read_checkpoint(Run.open(next(runs.iterdir())).weights))
    for name, tensor in states[0].items():
        assert torch.allclose(tensor.float(), states[1][name].float(), atol=1e-4), name


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> str:
    monkeypatch.setattr(sys, "argv", ["evalsuite", "pretrain", *(str(word) for word in words)])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    return capsys.readouterr().err


def test_a_tokenizer_that_no_stage_reads_is_refused(
    world: Path, tmp_path: Path, tokenizer: Path
) -> None:
    with pytest.raises(UserError, match="--tokenizer: --stage itc reads none"):
        pretrain(request(world, tmp_path, stage="itc", tokenizer=str(tokenizer), settings=()))


def test_an_unknown_stage_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "tokenizer" in refused(monkeypatch, capsys, "--stage", "mask")


def test_missing_data_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refused(monkeypatch, capsys, "--stage", "itc", "--data", tmp_path / "none")
    assert "none: no such folder; expected the official files of retrieval_coco" in line


def test_an_empty_data_folder_names_the_file_that_it_lacks(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset_coco\.json"):
        pretrain(PretrainRequest(stage="itc", data=tmp_path, runs=tmp_path / "runs"))


def test_health_asks_for_weights_with_a_word_head(
    world: Path,
    tmp_path: Path,
    tokenizer: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "give --weights FILE" in refused(monkeypatch, capsys, "--stage", "health")


@pytest.mark.parametrize(
    "words", [("--tokenizer", "any"), ("--track", "tensorboard"), ("--skip-bad", 1)]
)
def test_health_refuses_what_only_training_reads(
    words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(monkeypatch, capsys, "--stage", "health", "--weights", "any", *words)
    assert f"{words[0]}: --stage health trains nothing" in line


def test_a_wrong_tokenizer_is_named(world: Path, tmp_path: Path, masked: Run) -> None:
    with pytest.raises(UserError, match=r"final\.safetensors: not a visual tokenizer"):
        pretrain(request(world, tmp_path, tokenizer=str(masked.weights)))


def test_health_is_printed_for_given_weights(
    world: Path,
    masked: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--stage", "health", "--weights", masked.weights, "--data", world, "--limit", 20]
    monkeypatch.setattr(sys, "argv", ["evalsuite", "pretrain", *(str(word) for word in words)])
    main_ends(monkeypatch)
    assert "shape" in capsys.readouterr().out


def main_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the command line to its end."""
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code in (0, None)
