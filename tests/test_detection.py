"""COCO detection all the way on the mini tiny world, and its views, records and recipes."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evalsuite.tasks.detection.benchmark import BENCHMARK
from evalsuite.tasks.detection.recipes import RECIPES
from evalsuite.tasks.detection.task import TASK
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.loading import official_state
from evalsuite.engine.optimizer import learning_rate
from evalsuite.engine.plan import Plan
from evalsuite.heads.detector import Detector
from evalsuite.heads.instance_masks import mask_targets
from evalsuite.heads.suppression import ImageObjects, Selection
from evalsuite.kinds.detection.detect import ObjectDetector
from evalsuite.kinds.detection.instances import Size, fitted, framed_instances
from evalsuite.kinds.detection.recipes import DetectionRecipe
from evalsuite.kinds.detection.views import View, ViewFinder, find, mirrored
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request

# pycocotools is compiled for an older numpy than ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TINY = RECIPES["beit3_tiny"]
FEW = ("head_width=32", "fc_width=32", "num_proposals=32", "min_score=0.0")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("detection",))
    return folder


def figures(truth: Path, records: list[dict[str, Any]], kind: str) -> list[float]:
    """Return pycocotools' twelve."""
    with redirect_stdout(StringIO()):
        coco = COCO(str(truth))
        if kind == "segm":
            records = [{k: v for k, v in one.items() if k != "bbox"} for one in records]
        engine = COCOeval(coco, coco.loadRes(records), kind)
        engine.evaluate()
        engine.accumulate()
        engine.summarize()
    return [float(value) for value in engine.stats]


def opened(data: Path, recipe: DetectionRecipe = TINY) -> ObjectDetector:
    task = TASK.open(data, recipe, None)
    assert isinstance(task, ObjectDetector)
    return task


def true_records(world: Path, frame: int, shift: float) -> list[dict[str, Any]]:
    """Return the truth of val as the detector would report it: framed, cut small, pasted."""
    task = opened(world)
    records = []
    for sample in BENCHMARK.samples(world, "val"):
        framing = fitted(Size(*sample.target["size"]), frame)
        there = framed_instances(sample.target, framing)
        boxes, order = torch.from_numpy(there.boxes), torch.arange(len(there.boxes))
        small = mask_targets(torch.from_numpy(there.masks), boxes, order)
        size, content = torch.tensor(sample.target["size"]), torch.tensor([framing.content])
        image_boxes = View(torch.zeros(1), content, False).to_image(boxes, 0, size) + shift
        labels = torch.tensor([task.categories.index(category) for category in there.categories])
        found = ImageObjects(image_boxes, torch.ones(len(boxes)), labels)
        for record in task.records(found, small, sample.target["size"]):
            records.append({"image_id": sample.id, **record})
    return records


@pytest.mark.parametrize("frame", [128, 200])
def test_what_is_cut_from_the_truth_and_pasted_back_scores_full_marks(
    world: Path, frame: int
) -> None:
    truth = world / "coco/annotations/instances_val2017.json"
    records = true_records(world, frame, 0.0)
    assert figures(truth, records, "bbox")[0] == pytest.approx(1.0)
    mask = figures(truth, records, "segm")
    assert mask[1] == pytest.approx(1.0)
    assert mask[0] > 0.85  # 28 cells a side, and rings have holes


def test_shifted_by_half_the_side_of_a_thing_nothing_counts(world: Path) -> None:
    truth = world / "coco/annotations/instances_val2017.json"
    records = true_records(world, 128, 20.0)
    assert figures(truth, records, "bbox")[1] < 0.2
    assert figures(truth, records, "segm")[1] < 0.2


@pytest.fixture(scope="module")
def looking() -> ViewFinder:
    torch.manual_seed(0)
    backbone = beit3("beit3_tiny", image_size=64).eval()
    detector = Detector(96, 8, 3, TINY.head()).eval()
    torch.nn.init.normal_(detector.boxes.stages[2].classes.weight, std=0.2)  # type: ignore[union-attr,arg-type]
    return ViewFinder(backbone, detector, 4, (3,), Selection(min_score=0.0, most=20))


@torch.inference_mode()
def test_a_mirrored_view_finds_the_mirror_of_what_the_mirrored_image_shows(
    looking: ViewFinder,
) -> None:
    view = View(torch.randn(2, 3, 64, 64), torch.tensor([[64, 64], [48, 40]]), False)
    view.image_BCHW[1, :, 48:] = view.image_BCHW[1, :, :, 40:] = 0
    sizes_B2 = torch.tensor([[128, 128], [96, 80]])
    turned = mirrored(view)
    assert (turned.image_BCHW[1, :, 48:] == 0).all()
    assert torch.equal(mirrored(turned).image_BCHW, view.image_BCHW)
    ours = find(looking, [turned], sizes_B2)
    shown = find(looking, [View(turned.image_BCHW, turned.content_B2, False)], sizes_B2)
    for (found, masks), (plain, plain_masks), size in zip(ours, shown, sizes_B2, strict=True):
        x0, y0, x1, y1 = plain.boxes_N4.unbind(1)
        expected = torch.stack([size[1] - x1, y0, size[1] - x0, y1], dim=1)
        assert len(found.boxes_N4) == 20
        assert torch.allclose(found.boxes_N4, expected, atol=1e-3)
        assert torch.allclose(masks.flip(2), plain_masks, atol=1e-4)


@torch.inference_mode()
def test_the_same_view_twice_finds_what_it_finds_once(looking: ViewFinder) -> None:
    view = View(torch.randn(1, 3, 64, 64), torch.tensor([[64, 48]]), False)
    ((once, masks),) = find(looking, [view], torch.tensor([[64, 48]]))
    ((twice, same_masks),) = find(looking, [view, view], torch.tensor([[64, 48]]))
    assert torch.equal(once.scores_N, twice.scores_N)
    assert torch.allclose(once.boxes_N4, twice.boxes_N4)
    assert torch.allclose(masks, same_masks, atol=1e-6)


def test_a_box_goes_into_a_view_and_back() -> None:
    view = View(torch.zeros(1), torch.tensor([[50, 100]]), True)
    boxes_N4, size = torch.tensor([[10.0, 20.0, 60.0, 90.0]]), torch.tensor([100, 200])
    there = view.from_image(boxes_N4, 0, size)
    assert there.tolist() == [[70.0, 10.0, 95.0, 45.0]]
    assert torch.allclose(view.to_image(there, 0, size), boxes_N4)


def test_weights_of_another_size_are_fine_tuned_predicted_and_scored(
    world: Path, tmp_path: Path
) -> None:
    released = tmp_path / "released.safetensors"
    save_checkpoint(released, official_state(beit3("beit3_tiny", image_size=32), None), {})
    request = Request(
        task="detection",
        data=world,
        runs=tmp_path / "runs",
        weights=str(released),
        settings=(*FEW, "epochs=1", "batch_size=12", "window=8"),
    )
    report = evaluate(request).report
    assert report is not None
    names = [score.name for score in report.scores]
    assert names[0] == "box_ap"
    assert {"box_ap50", "box_ar_large", "mask_ap", "mask_ar_100"} <= set(names)
    run = Run.open(next((tmp_path / "runs").iterdir()))
    classes = {name.partition("/")[2] for name in names if name.startswith("mask_ap/")}
    # Twelve images do not show all 24 classes.
    truth = COCO(world / "coco/annotations/instances_val2017.json")
    shown = {one["category_id"] for one in truth.anns.values() if not one["iscrowd"]}
    assert classes == {one["name"] for one in truth.loadCats(shown)}
    assert "| mask_ap/" in (run.folder / "report.md").read_text()
    keys = run.facts["weights"]["keys"]
    assert keys["interpolated"] == ["beit3.encoder.embed_positions.A.weight"]
    assert "pyramid.levels.0.0.weight" in keys["missing"]
    assert set(keys["unused"]) == {  # this head wants none
        f"beit3.encoder.layer_norm.{m}.{part}" for m in "AB" for part in ("weight", "bias")
    }
    lines = (run.folder / "predictions/val/rank-0.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert max(len(line) for line in lines) < 40_000  # 100 objects with their masks
    again = Request(
        task="detection",
        data=world,
        runs=tmp_path / "again",
        weights=str(run.weights),
        limit=3,
        settings=(*FEW, "test_scales=128,96", "test_flip=true", "soft_nms=true"),
    )
    views = evaluate(again).report
    assert views is not None
    assert views.weights["fine_tuned_here"] is False
    assert views.scores[0].n == 3


def test_an_image_of_another_size_than_annotated_is_named(world: Path, tmp_path: Path) -> None:
    (sample, *_) = BENCHMARK.samples(world, "val")
    path = tmp_path / sample.images[0]
    path.parent.mkdir(parents=True)
    Image.new("L", (100, 128)).save(path)
    annotations = tmp_path / "coco/annotations"
    annotations.symlink_to(world / "coco/annotations")
    with pytest.raises(UserError, match=f"{path.name}: 100 x 128 pixels, its annotation says 128"):
        opened(tmp_path).inputs(sample, None)


def test_a_training_class_that_validation_lacks_is_named(world: Path, tmp_path: Path) -> None:
    truth = json.loads((world / "coco/annotations/instances_val2017.json").read_text())
    truth["categories"] = [one for one in truth["categories"] if one["id"] == 1]
    truth["annotations"] = [one for one in truth["annotations"] if one["category_id"] == 1]
    (tmp_path / "coco/annotations").mkdir(parents=True)
    (tmp_path / "coco/annotations/instances_val2017.json").write_text(json.dumps(truth))
    (tmp_path / "coco/train2017").symlink_to((world / "coco/train2017").resolve())
    task = opened(tmp_path)
    samples = BENCHMARK.samples(world, "train")
    found = [task.inputs(sample, np.random.default_rng(0)) for sample in samples]
    with pytest.raises(UserError, match=r"a training object is of category \d+; expected those of"):
        task.collate(found)


def test_a_test_scale_of_broken_patches_and_a_folder_without_coco_are_refused(
    world: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="expected multiples of the patch size 8"):
        odd = TINY.with_settings(["test_scales=128,100"])
        opened(world, odd).head(beit3("beit3_tiny", image_size=128), seed=0)
    with pytest.raises(UserError, match=r"instances_val2017\.json: no such file"):
        opened(tmp_path)


def test_the_rate_of_vitdet_drops_where_detectron2_drops_it() -> None:
    recipe = RECIPES["beit3_base"]
    plan = Plan.of(recipe, 118_000, 0)
    assert plan.num_steps == pytest.approx(184_375, rel=1e-3)
    scale = plan.num_steps / 184_375
    rates = [learning_rate(round(step * scale), plan, recipe) for step in (1000, 163_880, 163_900)]
    rates += [learning_rate(round(step * scale), plan, recipe) for step in (177_530, 177_560)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6])
    assert plan.warmup_steps == 250


def test_every_recipe_fits_its_backbone_and_reads_its_own_settings() -> None:
    for name, recipe in RECIPES.items():
        patch = beit3(name, seed=None).patch_size
        sides = (recipe.image_size, *recipe.test_scales)
        assert all(side % patch == 0 for side in sides)
        assert json.loads(json.dumps(recipe.to_json()))["image_size"] == recipe.image_size
    changed = TINY.with_settings(["global_layers=1,3", "window=4", "pyramid=1.0", "lr_drops="])
    assert (changed.global_layers, changed.pyramid, changed.lr_drops) == ((1, 3), (1.0,), ())


def test_a_class_that_few_images_do_not_show_may_be_predicted_in_them(world: Path) -> None:
    (sample, *_) = BENCHMARK.samples(world, "val")
    truth = BENCHMARK.references(world, "val", only=[sample.id])
    absent = [one for one in truth.class_names if one not in sample.target["categories"]]
    assert absent
    record = {"category_id": absent[0], "bbox": [1.0, 1.0, 9.0, 9.0], "score": 0.9}
    (box_ap, *_) = BENCHMARK.score({sample.id: [record]}, truth, interval=False)
    assert (box_ap.value, box_ap.n) == (0.0, 1)
