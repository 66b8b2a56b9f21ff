"""How samples look to a reader: the truth as prediction is shown as right, on every benchmark."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hotcoco import mask as run_lengths
from PIL import Image

from evalsuite.catalog import benchmark_named, benchmark_names
from evalsuite.contracts.benchmark import Sample, SampleDisplay, ShowsSamples
from evalsuite.kinds.answering.benchmark import AnsweringBenchmark
from evalsuite.kinds.captioning.benchmark import CaptionBenchmark
from evalsuite.kinds.classification.benchmark import ClassificationBenchmark
from evalsuite.kinds.detection.benchmark import DetectionBenchmark
from evalsuite.kinds.reasoning.benchmark import ReasoningBenchmark
from evalsuite.kinds.retrieval.benchmark import RetrievalBenchmark
from evalsuite.kinds.retrieval.features import packed
from evalsuite.kinds.segmentation.benchmark import SegmentationBenchmark
from evalsuite.tinyworld.write import write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini")
    return folder


def _things(sample: Sample) -> list[dict[str, Any]]:
    """The true objects as detections."""
    found = []
    columns = (sample.target["categories"], sample.target["boxes"], sample.target["segmentations"])
    for category, box, shape in zip(*columns, strict=True):
        outline = json.loads(shape)
        size = sample.target["size"]
        encoded = run_lengths.frPyObjects(outline, *size)
        encoded = run_lengths.merge(encoded) if isinstance(outline, list) else encoded
        mask = {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}
        found.append({"category_id": category, "bbox": box, "score": 1.0, "segmentation": mask})
    return found


def _feature(sample: Sample) -> dict[str, Any]:
    """A direction of its own for every image, the same for its texts."""
    vector = np.random.default_rng(sample.target["image_id"]).normal(size=64)
    vector /= np.linalg.norm(vector)
    image = packed(vector) if sample.target["brings_image"] else None
    return {"text": packed(vector), "image": image}


def _label_map(sample: Sample, data: Path) -> Any:
    with Image.open(data / sample.target["annotation"]) as image:
        return np.maximum(np.asarray(image), 1)  # a prediction has no unlabelled pixel


class Truth(NamedTuple):
    """What a perfect model predicts, and the score that a page gives it; None where it varies."""

    predicted: Callable[[Sample, Path], Any]
    score: float | None


TRUTHS = {
    AnsweringBenchmark: Truth(lambda one, _: one.target["multiple_choice_answer"], None),
    CaptionBenchmark: Truth(lambda one, _: one.target["captions"][0], None),
    ClassificationBenchmark: Truth(lambda one, _: [one.target["wnid"]], 0.0),
    DetectionBenchmark: Truth(lambda one, _: _things(one), 1.0),
    ReasoningBenchmark: Truth(lambda one, _: one.target["label"], 1.0),
    RetrievalBenchmark: Truth(lambda one, _: _feature(one), -1.0),
    SegmentationBenchmark: Truth(_label_map, 1.0),
}


def truth_of(name: str) -> Truth:
    return next(truth for kind, truth in TRUTHS.items() if isinstance(benchmark_named(name), kind))


def shown(world: Path, name: str) -> list[tuple[Sample, SampleDisplay]]:
    benchmark = benchmark_named(name)
    assert isinstance(benchmark, ShowsSamples)
    split = benchmark.card.eval_split
    samples = list(benchmark.samples(world, split))
    predictions = {one.id: truth_of(name).predicted(one, world) for one in samples}
    references = benchmark.references(world, split)
    show = benchmark.showing(predictions, references, world, split)
    return [(sample, show(sample)) for sample in samples]


@pytest.mark.parametrize("name", benchmark_names())
def test_the_truth_is_shown_as_right(world: Path, name: str) -> None:
    found = shown(world, name)
    assert {one.mark for _, one in found} <= {"right", "partly right", ""}
    best = truth_of(name).score
    for _, one in found:
        assert one.score is not None
        assert one.lines
        assert best is None or one.score == best


@pytest.mark.parametrize("name", ["detection", "segmentation"])
def test_truth_and_a_perfect_prediction_are_painted_alike(world: Path, name: str) -> None:
    sample, one = shown(world, name)[0]
    pictures = {picture.caption: picture.paint for picture in one.pictures}
    with Image.open(world / sample.images[0]) as image:
        plain = image.convert("RGB")
    truth, predicted = pictures["truth"], pictures["predicted"]
    assert truth is not None and predicted is not None
    painted = np.asarray(truth(plain.copy(), 1.0))
    assert (painted != np.asarray(plain)).any()
    # A detection's score is written on its box, and unlabelled pixels are predicted as a class.
    differing = (painted != np.asarray(predicted(plain.copy(), 1.0))).any(2).mean()
    assert differing < 0.25


def test_a_vqa_answer_has_the_official_accuracy(world: Path) -> None:
    benchmark = benchmark_named("vqa")
    found = shown(world, "vqa")
    predictions = {s.id: s.target["multiple_choice_answer"] for s, _ in found}
    overall = benchmark.score(predictions, benchmark.references(world, "val"), interval=False)[0]
    assert 100 * np.mean([one.score for _, one in found]) == pytest.approx(overall.value)


@pytest.mark.slow  # Java starts for METEOR
def test_the_mean_of_the_shown_ciders_is_the_score(world: Path) -> None:
    benchmark = benchmark_named("captioning")
    found = shown(world, "captioning")
    predictions = {sample.id: sample.target["captions"][0] for sample, _ in found}
    cider = benchmark.score(predictions, benchmark.references(world, "test"), interval=False)[0]
    assert np.mean([one.score for _, one in found]) == pytest.approx(cider.value)


def test_a_missed_object_is_counted(world: Path) -> None:
    benchmark = benchmark_named("detection")
    sample = next(one for one in benchmark.samples(world, "val") if len(one.target["boxes"]) > 1)
    show = benchmark.showing({sample.id: _things(sample)[1:]}, None, world, "val")  # type: ignore[attr-defined]
    total = len(sample.target["boxes"])
    assert show(sample).outcome == f"{total - 1} of {total} found, 0 false"
    assert show(sample).mark == "partly right"


@pytest.mark.parametrize("shape", ["[[10, 10]]", "[[]]", "[]", "[[10, 10, 20, 20]]"])
def test_an_object_without_an_outline_is_shown_by_its_box(world: Path, shape: str) -> None:
    benchmark = benchmark_named("detection")
    (sample, *_) = benchmark.samples(world, "val")
    bare = sample._replace(
        target=sample.target | {"segmentations": [shape] * len(sample.target["boxes"])}
    )
    show = benchmark.showing({sample.id: []}, None, world, "val")  # type: ignore[attr-defined]
    paint = show(bare).pictures[1].paint
    assert paint is not None
    blank = Image.new("RGB", (128, 128))
    assert paint(blank.copy(), 1.0).tobytes() != blank.tobytes()
