"""What only looks, scores or draws starts without the libraries that train."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "transformers", "datasets", "accelerate", "pandas")
MAIN = f"""
import sys
from evalsuite.__main__ import main
status = 0
try:
    main()
except SystemExit as leaving:
    status = leaving.code or 0
heavy = sorted(set({HEAVY}) & set(sys.modules))
sys.exit(f"imported {{heavy}}" if heavy else status)
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def vqa_data(tmp_path: Path) -> Path:
    """The official VQAv2 validation files with two questions, and a result file beside them."""
    (tmp_path / "vqav2").mkdir()
    ids = (262148000, 393225000)
    questions = [{"image_id": 1, "question": "Is it red?", "question_id": id} for id in ids]
    answers = [{"answer": "yes", "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)]
    annotations = [
        {
            "question_type": "is it",
            "multiple_choice_answer": "yes",
            "answers": answers,
            "image_id": 1,
            "answer_type": "yes/no",
            "question_id": id,
        }
        for id in ids
    ]
    files = {
        "vqav2/v2_OpenEnded_mscoco_val2014_questions.json": {"questions": questions},
        "vqav2/v2_mscoco_val2014_annotations.json": {"annotations": annotations},
        "results.json": [
            {"question_id": id, "answer": answer}
            for id, answer in zip(ids, ("yes", "no"), strict=True)
        ],
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    "arguments", [("--help",), ("tasks",), ("score", "--help"), ("eval", "--help")]
)
def test_help_and_lists_start_without_torch(arguments: tuple[str, ...]) -> None:
    finished = run(*arguments)
    assert finished.returncode == 0, finished.stderr


def test_scoring_a_result_file_needs_no_torch(vqa_data: Path) -> None:
    finished = run(
        "score", "vqa", "--predictions", vqa_data / "results.json",
        "--data", vqa_data, "--split", "val", "--json",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["scores"][0]["value"] == 50.0


def test_the_doctor_needs_no_torch(vqa_data: Path) -> None:
    finished = run("doctor", "vqa", "--data", vqa_data)
    assert finished.returncode == 2, finished.stderr  # train is missing
    assert finished.stderr.startswith("evalsuite: ")


def test_the_radar_needs_no_torch(tmp_path: Path) -> None:
    finished = run("radar", "-o", tmp_path / "radar.svg")
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "radar.svg").stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("eval", "vqqa"), "no task 'vqqa'"),
        (("score", "vqa", "--predictions", "gone.json", "--data", "gone"), "gone"),
        (("doctor", "vqa", "--data", "gone"), "gone"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_status_2(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "evalsuite", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert said in finished.stderr
