"""The log of a fine-tuning survives kills and repeats."""

from pathlib import Path

from evalsuite.records.training import TrainingPoint, note_training, read_training


def test_a_step_done_again_counts_as_it_was_done_last(tmp_path: Path) -> None:
    path = tmp_path / "run" / "train.jsonl"
    for step, loss in ((10, 2.0), (20, 1.5), (30, 1.2), (20, 1.4)):
        note_training(path, TrainingPoint(step, loss, 1e-3))
    assert [point.loss for point in read_training(path)] == [2.0, 1.4, 1.2]


def test_a_line_torn_by_a_kill_swallows_no_other(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    note_training(path, TrainingPoint(10, 2.0, 1e-3))
    with path.open("a") as stream:
        stream.write('\n{"step": 20, "lo')
    note_training(path, TrainingPoint(30, 1.2, 1e-3))
    assert [point.step for point in read_training(path)] == [10, 30]


def test_a_run_without_fine_tuning_has_no_points(tmp_path: Path) -> None:
    assert read_training(tmp_path / "train.jsonl") == []
