"""What a tracker holds when a run has ended, read back from TensorBoard's own event files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.evaluate_all import evaluate_all
from evalsuite.verbs.prepare import Request
from evalsuite.verbs.tracking import track_picture


def events(folder: Path) -> EventAccumulator:
    """Return what the event files of a folder hold."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def test_loss_scores_and_report_are_tracked(tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_world(world, size="mini", benchmarks=("vqa",))
    settings = ("epochs=1", "batch_size=16", "min_answer_count=2")
    runs = tmp_path / "runs"
    report = evaluate(
        Request(task="vqa", data=world, runs=runs, settings=settings, track="tensorboard")
    ).report
    assert report is not None
    held = events(next(path for path in runs.iterdir() if (path / "run.json").is_file()))
    assert held.Scalars("loss")[-1].step == held.Scalars("lr")[-1].step > 0
    score = report.scores[0]
    assert score.interval is not None
    low, high = score.interval
    name = f"val/{score.name}"
    for tag, value in ((name, score.value), (f"{name}/low", low), (f"{name}/high", high)):
        assert held.Scalars(tag)[0].value == pytest.approx(value, rel=1e-6)  # stored in 32 bits
    text = held.Tensors("val report/text_summary")[0].tensor_proto.string_val[0].decode()
    assert f"{score.value:.2f}" in text


def test_all_tasks_track_their_scores_and_one_radar(tmp_path: Path) -> None:
    world, runs, names = tmp_path / "world", tmp_path / "runs", ("imagenet", "nlvr2")
    write_world(world, size="mini", benchmarks=names)
    request = Request(task="all", data=world, runs=runs, track="tensorboard")
    for report in evaluate_all(request, names).reports:
        held = events(next(runs.glob(f"{report.task}-*/run.json")).parent)
        score = report.scores[0]
        stored = held.Scalars(f"{report.split}/{score.name}")[0].value
        assert stored == pytest.approx(score.value, rel=1e-6)
        assert held.Scalars("loss")
    radar = events(runs / "radar").Images("radar")[0]
    with Image.open(runs / "report/radar.png") as picture:
        assert (radar.width, radar.height) == picture.size


def test_the_picture_of_several_runs_is_tracked(tmp_path: Path) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    Image.fromarray(pixels).save(tmp_path / "radar.png")
    track_picture("radar", tmp_path / "radar.png", "tensorboard", tmp_path / "runs")
    held = events(tmp_path / "runs/radar").Images("radar")[0]
    assert (held.height, held.width) == (5, 7)


@pytest.mark.slow
def test_weights_and_biases_gets_scores_table_and_radar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    world = tmp_path / "world"
    write_world(world, size="mini", benchmarks=("imagenet",))
    request = Request(task="all", data=world, runs=tmp_path / "runs", track="wandb")
    evaluate_all(request, ("imagenet",))
    kept = {path.name for path in tmp_path.glob("wandb/offline-run-*/files/media/*/*")}
    assert any(name.startswith("val scores") and name.endswith(".table.json") for name in kept)
    assert any(name.startswith("radar") and name.endswith(".png") for name in kept)
