"""What `evalsuite report` writes beside the page: model card, submissions, comparisons."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from huggingface_hub import ModelCard
from saved_runs import answers, saved_run

from evalsuite.catalog import benchmark_named
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.report import compare, report
from evalsuite.verbs.run_files import report_of
from evalsuite.verbs.run_report import result_name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("vqa",))
    return folder


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = saved_run(tmp_path_factory.mktemp("runs"), world, 0, answers(world))
    report_of(run)
    return run


def test_a_run_is_reported_with_a_model_card_that_the_hub_reads(run: Run) -> None:
    assert report([run.folder]) == run.folder / "report.html"
    card = ModelCard.load(run.folder / "README.md")
    found = card.data.eval_results
    assert {(one.metric_type, one.dataset_type) for one in found} == {
        ("vqa_accuracy", "vqa-tinyworld")
    }
    stored = json.loads((run.folder / "report.json").read_text())["scores"][0]
    assert found[0].metric_value == pytest.approx(stored["value"], abs=1e-4)
    assert card.data.model_name == "beit3_tiny"


def test_held_back_splits_are_collected_for_their_servers(world: Path, tmp_path: Path) -> None:
    split = "test-dev"
    held = saved_run(tmp_path / "runs", world, 0, answers(world, split), split)
    report([held.folder], tmp_path / "out")
    folder = tmp_path / "out" / "submissions"
    results = json.loads((folder / held.folder.name / f"vqa_{split}.json").read_text())
    assert {one["question_id"] for one in results} == set(answers(world, split))
    assert "eval.ai" in (folder / "README.md").read_text()


def test_two_runs_of_one_backbone_hand_in_two_files(world: Path, tmp_path: Path) -> None:
    said = answers(world, "test-dev")
    first = saved_run(tmp_path / "runs", world, 0, said, "test-dev")
    second = saved_run(tmp_path / "runs", world, 1, dict.fromkeys(said, "no"), "test-dev")
    again = saved_run(tmp_path / "others", world, 0, dict.fromkeys(said, "yes"), "test-dev")
    folders = [first.folder, second.folder, again.folder]  # the third has the name of the first
    report(folders, tmp_path / "out")
    files = sorted((tmp_path / "out/submissions").glob("*/vqa_test-dev.json"))
    assert len({file.read_text() for file in files}) == 3
    assert f"{first.folder.name}-2/vqa" in (tmp_path / "out/submissions/README.md").read_text()


def test_the_caption_server_gets_its_two_files_in_one_archive(tmp_path: Path) -> None:
    write_world(tmp_path / "world", size="mini", benchmarks=("captioning",))
    test = {"images": [{"id": 7, "file_name": "COCO_test2014_000000000007.jpg"}]}
    (tmp_path / "world/coco/annotations").mkdir(parents=True, exist_ok=True)
    (tmp_path / "world/coco/annotations/image_info_test2014.json").write_text(json.dumps(test))
    for split, count in (("test2014", 1), ("val2014", 2)):
        images = benchmark_named("captioning").samples(tmp_path / "world", split)
        said = {image.id: "a red square" for image in images}
        run = saved_run(tmp_path / "runs", tmp_path / "world", 0, said, split, task="captioning")
        report([run.folder])
        folder = run.folder / "submissions" / run.folder.name
        assert len(list(folder.glob("captions_*_beit3-tiny_results.json"))) == count
        lines = (run.folder / "submissions/README.md").read_text()
        assert ("not complete" in lines) == (count == 1)
    with ZipFile(folder / "results.zip") as archive:
        assert set(archive.namelist()) == {
            "captions_val2014_beit3-tiny_results.json",
            "captions_test2014_beit3-tiny_results.json",
        }
        stored = json.loads(archive.read("captions_val2014_beit3-tiny_results.json"))
    assert {one["image_id"] for one in stored} == set(said)


def test_the_detection_server_gets_its_file_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "world/coco/annotations/image_info_test-dev2017.json"
    image = {"id": 7, "file_name": "000000000007.jpg", "height": 8, "width": 8}
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"images": [image], "categories": [{"id": 1, "name": "person"}]}))
    box = {"image_id": 7, "category_id": 1, "bbox": [0, 0, 4, 4], "score": 0.5}
    world, runs = tmp_path / "world", tmp_path / "runs"
    run = saved_run(runs, world, 0, {7: [box]}, "test-dev", task="detection")
    report([run.folder])
    name = "detections_test-dev2017_beit3-tiny_results"
    with ZipFile(run.folder / "submissions" / run.folder.name / f"{name}.zip") as archive:
        assert json.loads(archive.read(f"{name}.json")) == [box]


def test_result_files_have_the_names_that_servers_ask_for() -> None:
    named = {
        ("captioning", "test2014"): "captions_test2014_beit3-tiny_results.json",
        ("captioning", "val2014"): "captions_val2014_beit3-tiny_results.json",
        ("detection", "test-dev"): "detections_test-dev2017_beit3-tiny_results.json",
        ("vqa", "test-std"): "vqa_test-std.json",  # EvalAI takes any name
        ("nocaps", "test"): "nocaps_test.json",
        ("segmentation", "test"): "segmentation_test",  # a folder of label maps
    }
    for (task, split), name in named.items():
        assert result_name(benchmark_named(task), split, "beit3_tiny") == name


def test_two_runs_are_compared_in_pairs(world: Path, run: Run, tmp_path: Path) -> None:
    said = {name: "yes" for name in answers(world)}
    other = saved_run(tmp_path / "runs", world, 1, said)
    difference = compare(run.folder, other.folder, tmp_path).score
    benchmark = benchmark_named("vqa")
    references = benchmark.references(world, "val")
    assert difference == benchmark.paired(answers(world), said, references)
    assert difference.value > 0
    written = (tmp_path / "comparison.md").read_text()
    assert f"A minus B: {difference.value:+.2f}" in written
    assert "| seed | 0 | 1 |" in written
    assert compare(run.folder, run.folder, tmp_path).score.value == 0
    assert "No difference is shown" in (tmp_path / "comparison.html").read_text()


def test_runs_of_different_splits_are_not_compared(world: Path, run: Run, tmp_path: Path) -> None:
    other = saved_run(tmp_path / "runs", world, 0, answers(world, "train"), "train")
    with pytest.raises(UserError, match="vqa train: expected the same"):
        compare(run.folder, other.folder, tmp_path)


def test_a_run_whose_settings_were_edited_afterwards_is_refused(
    world: Path, tmp_path: Path
) -> None:
    run = saved_run(tmp_path / "runs", world, 0, answers(world))
    path = run.folder / "run.json"
    path.write_text(path.read_text().replace('"epochs": 1', '"epochs": 10'))
    with pytest.raises(UserError, match=f"identity was edited; {run.folder.name[-8:]} in the"):
        report([run.folder], tmp_path / "out")
