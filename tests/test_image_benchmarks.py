"""The benchmarks of images alone and of retrieval, from official files to scores."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as official_mask

from evalsuite.catalog import benchmark_named
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.kinds.retrieval.features import packed
from evalsuite.records.errors import UserError
from evalsuite.records.score import named
from evalsuite.tinyworld.write import write_world

NAMES = ("detection", "segmentation", "imagenet", "retrieval_coco", "retrieval_flickr30k")
SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "official_samples" / "coco"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=NAMES)
    return folder


def perfect_detections(data: Path) -> Iterator[dict[str, Any]]:
    for sample in benchmark_named("detection").samples(data, "val"):
        target = sample.target
        columns = ("boxes", "categories", "segmentations", "crowds")
        for box, category, text, crowd in zip(*(target[name] for name in columns), strict=True):
            shape = json.loads(text)
            if crowd:
                continue
            mask = official_mask.merge(official_mask.frPyObjects(shape, *target["size"]))
            segmentation = {"size": mask["size"], "counts": mask["counts"].decode()}
            record = {"image_id": sample.id, "category_id": category, "score": 0.9}
            yield {**record, "bbox": box, "segmentation": segmentation}


def perfect(name: str, data: Path, folder: Path) -> Path:
    """Write a result file that says the truth; return its path."""
    benchmark = benchmark_named(name)
    truth = benchmark.references(data, benchmark.card.eval_split)
    if name == "detection":
        (folder / "boxes.json").write_text(json.dumps(list(perfect_detections(data))))
        return folder / "boxes.json"
    if name == "segmentation":
        (folder / "maps").mkdir()
        for image, path in truth.paths.items():
            labels = np.array(Image.open(path))
            labels[labels == 0] = 1
            Image.fromarray(labels).save(folder / "maps" / f"{image}.png")
        return folder / "maps"
    if name == "imagenet":
        logits = np.eye(len(truth.wnids), dtype=np.float32)[truth.labels]
        np.savez(folder / "logits.npz", names=np.array(truth.names), logits=logits)
        return folder / "logits.npz"
    images = np.eye(len(truth.image_ids), dtype=np.float32)
    np.savez(
        folder / "features.npz",
        image_ids=np.array(truth.image_ids),
        text_ids=np.array(truth.text_ids),
        image_features=images,
        text_features=images[truth.image_of_text],
    )
    return folder / "features.npz"


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_itself_scores_a_hundred_and_beats_the_baseline(
    name: str, data: Path, tmp_path: Path
) -> None:
    benchmark = benchmark_named(name)
    split = benchmark.card.eval_split
    found = benchmark.read_predictions(perfect(name, data, tmp_path))
    truth = benchmark.references(data, split)
    scores = benchmark.score(found, truth)
    assert scores[0].name == benchmark.card.headline
    assert scores[0].value == pytest.approx(100.0)
    assert benchmark.baselines(data, split)[0].value < 60
    difference = benchmark.paired(found, found, truth)
    assert (difference.name, difference.value) == (f"{benchmark.card.headline}/difference", 0.0)


def test_the_majority_class_needs_no_more_memory_for_more_maps(tmp_path: Path) -> None:
    labels_HW = np.ones((500, 500), dtype=np.uint8)
    labels_HW[250:] = 2  # wall on half of it: IoU 1/2, and 0 of the sky
    peaks: list[int] = []
    for count in (2, 2, 22):  # once to warm up
        root = tmp_path / str(len(peaks)) / "ADEChallengeData2016"
        (root / "annotations/validation").mkdir(parents=True)
        names = "Idx\n1\t0.6\t0\t0\t0\twall\n2\t0.4\t0\t0\t0\tsky\n"
        (root / "objectInfo150.txt").write_text(names)
        for number in range(count):
            Image.fromarray(labels_HW).save(root / f"annotations/validation/{number}.png")
        tracemalloc.start()
        (baseline,) = benchmark_named("segmentation").baselines(root.parent, "val")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert baseline.value == pytest.approx(25.0)
    assert peaks[2] - peaks[1] < 5 * labels_HW.size  # of twenty maps more


@pytest.mark.filterwarnings("ignore:--official:UserWarning")
@pytest.mark.parametrize("name", ["detection", "segmentation", "imagenet"])
def test_the_official_engine_says_the_same_of_a_result_file(
    name: str, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip({"segmentation": "mmseg", "imagenet": "timm"}.get(name, "pycocotools"))
    benchmark = benchmark_named(name)
    path, split = perfect(name, data, tmp_path), benchmark.card.eval_split
    official = benchmark.official_scores(path, data, split)
    assert official is not None
    found, truth = benchmark.read_predictions(path), benchmark.references(data, split)
    ours = benchmark.score(found, truth, interval=False)
    assert len(official) == len(ours)
    for score in official:
        assert score.value == pytest.approx(named(ours, score.name).value, abs=0.0051)


@pytest.mark.parametrize("name", NAMES)
def test_part_of_a_split_is_scored_against_that_part_of_the_truth(
    name: str, data: Path, tmp_path: Path
) -> None:
    benchmark = benchmark_named(name)
    split = benchmark.card.eval_split
    ids = [sample.id for sample in benchmark.samples(data, split)][:7]
    journal = journaled(name, benchmark, data, ids)
    scores = benchmark.score(journal, benchmark.references(data, split, only=ids), interval=False)
    assert scores[0].value == pytest.approx(100.0)
    assert scores[0].n <= 7


def journaled(name: str, benchmark: Benchmark, data: Path, ids: list[Any]) -> dict[Any, Any]:
    """Return what a journal holds of perfect predictions."""
    samples = {one.id: one for one in benchmark.samples(data, benchmark.card.eval_split)}
    if name == "detection":
        found: dict[Any, Any] = {one: [] for one in ids}
        for record in perfect_detections(data):
            if record["image_id"] in found:
                found[record.pop("image_id")].append(record)
        return found
    if name == "segmentation":
        paths = {one: data / samples[one].target["annotation"] for one in ids}
        return {one: _counts(path) for one, path in paths.items()}
    if name == "imagenet":
        labels = {one: samples[one].target["label"] for one in ids}
        return {
            one: [label, *(n for n in range(5) if n != label)][:5] for one, label in labels.items()
        }
    images = sorted({one.target["image_id"] for one in samples.values()})
    features = dict(zip(images, np.eye(len(images), dtype=np.float32), strict=True))
    vectors = {one: packed(features[samples[one].target["image_id"]]) for one in ids}
    return {one: {"text": vector, "image": vector} for one, vector in vectors.items()}


def _five(label: int) -> list[int]:
    """Return a label and four others."""
    return [label, *(other for other in range(5) if other != label)][:5]


def _counts(path: Path) -> list[list[int]]:
    values, pixels = np.unique(np.array(Image.open(path)), return_counts=True)
    pairs = zip(values.tolist(), pixels.tolist(), strict=True)
    return [[value, value, number] for value, number in pairs if value]


def test_written_detections_and_maps_are_read_back(data: Path, tmp_path: Path) -> None:
    for name in ("detection", "segmentation"):
        benchmark = benchmark_named(name)
        found = benchmark.read_predictions(perfect(name, data, tmp_path))
        benchmark.write_predictions(found, tmp_path / f"again {name}", data=data, split="val")
        again = benchmark.read_predictions(tmp_path / f"again {name}")
        truth = benchmark.references(data, "val")
        ours = [benchmark.score(one, truth, interval=False) for one in (found, again)]
        assert ours[0] == ours[1]


@pytest.mark.parametrize(("name", "split"), [("detection", "test-dev"), ("segmentation", "test")])
def test_a_split_that_is_held_back_names_its_server(name: str, split: str, data: Path) -> None:
    benchmark = benchmark_named(name)
    assert benchmark.card.splits[split].server
    with pytest.raises(UserError, match=r"held back: write .* submit"):
        benchmark.references(data, split)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_split_and_missing_files_are_named(
    name: str, data: Path, tmp_path: Path
) -> None:
    benchmark = benchmark_named(name)
    with pytest.raises(UserError, match="no split 'dev'; there are train"):
        list(benchmark.samples(data, "dev"))
    with pytest.raises(UserError, match=str(tmp_path)):
        benchmark.references(tmp_path, benchmark.card.eval_split)


BAD_MAPS = [
    (np.zeros((128, 128), np.uint8), r"label 0 in \d+ pixel.*from 1; are yours from 0\?"),
    (np.full((128, 128), 200, np.uint8), "predicted label 200 in 16384 pixel"),
    (np.ones((64, 128), np.uint8), r"size \(64, 128\), its truth has \(128, 128\)"),
    (np.ones((128, 128, 3), np.uint8), "mode RGB; expected one byte a pixel"),
]


@pytest.mark.parametrize(("labels", "message"), BAD_MAPS)
def test_bad_label_maps_are_named_with_their_number(
    labels: Any, message: str, data: Path, tmp_path: Path
) -> None:
    benchmark = benchmark_named("segmentation")
    path = perfect("segmentation", data, tmp_path)
    for name in ("ADE_val_00000003", "ADE_val_00000005"):
        Image.fromarray(labels).save(path / f"{name}.png")
    truth = benchmark.references(data, "val")
    with pytest.raises(UserError, match=f"ADE_val_00000003.*{message}.*2 such image"):
        benchmark.score(benchmark.read_predictions(path), truth)
    (path / "ADE_val_00000005.png").unlink()
    with pytest.raises(UserError, match=r"ADE_val_00000005 has no prediction \(1 such"):
        benchmark.score(benchmark.read_predictions(path), truth)


def test_a_torn_label_map_is_named(data: Path, tmp_path: Path) -> None:
    path = perfect("segmentation", data, tmp_path)
    torn = path / "ADE_val_00000002.png"
    torn.write_bytes(torn.read_bytes()[:60])
    benchmark = benchmark_named("segmentation")
    with pytest.raises(UserError, match=r"ADE_val_00000002\.png: not a whole label PNG"):
        benchmark.score(benchmark.read_predictions(path), benchmark.references(data, "val"))


BAD_OBJECTS = [
    ({"category_id": 99}, r"object 1 has category 99, which the file does not list \(1 such"),
    ({"bbox": [1, 2, -3, 4]}, "object 1 has the box .* of negative size"),
    ({"bbox": [1, 2, 3]}, "annotations|bbox|record 0"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_OBJECTS)
def test_a_bad_object_of_an_instances_file_is_named(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12.0}
    file = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 9, "width": 9}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [{**one, **changes}],
    }
    path = tmp_path / "coco/annotations/instances_val2017.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(file))
    with pytest.raises(UserError, match=message):
        list(benchmark_named("detection").samples(tmp_path, "val"))


def test_an_object_numbered_0_is_not_scored_as_pycocotools_would_not(
    data: Path, tmp_path: Path
) -> None:
    name = "coco/annotations/instances_val2017.json"
    file = json.loads((data / name).read_text())
    file["annotations"][0]["id"] = 0
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(json.dumps(file))
    with pytest.raises(UserError, match="object 0 is numbered 0, which pycocotools takes for no"):
        benchmark_named("detection").references(tmp_path, "val")


def test_the_real_excerpts_are_read_as_they_are(tmp_path: Path) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("official samples are not beside the checkout")
    folder = tmp_path / "coco/annotations"
    folder.mkdir(parents=True)
    for name in ("instances_train2017.json", "instances_val2017.json"):
        (folder / name).write_bytes((SAMPLES / name).read_bytes())
    benchmark = benchmark_named("detection")
    for split in ("train", "val"):
        samples = list(benchmark.samples(tmp_path, split))
        assert len(samples) == 100
        assert all(len(one.target["size"]) == 2 for one in samples)


@pytest.mark.parametrize("name", NAMES)
def test_scoring_starts_without_torch_pandas_or_datasets(name: str) -> None:
    heavy = "{'torch', 'pandas', 'datasets', 'transformers', 'matplotlib', 'mmseg', 'timm'}"
    code = f"import sys; import evalsuite.tasks.{name}.benchmark; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("mmseg", "from evalsuite.metrics.official_miou import load_metric; load_metric(3)"),
        (
            "timm",
            "from evalsuite.kinds.classification.official import official_accuracy; "
            "official_accuracy({}, None)",
        ),
    ],
)
def test_an_official_engine_that_is_not_there_is_named_in_one_line(module: str, call: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()[-1]
    assert "UserError" in said
    assert f"needs {module}" in said
    assert "pip install" in said
