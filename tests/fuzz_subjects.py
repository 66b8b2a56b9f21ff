"""Every reader of files that a person hands over, with a small well-formed twin to damage."""

import base64
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from detection_files import drawn, masked
from PIL import Image
from safetensors.torch import save_file
from saved_runs import saved_run
from test_files_people_have_language import captioning, karpathy, nocaps, retrieval, vqa, write

from evalsuite.backbones.beit3.recognise import convert
from evalsuite.catalog import benchmark_named
from evalsuite.data.doctor import Scope, examine
from evalsuite.kinds.retrieval.features import packed
from evalsuite.records.errors import Remark
from evalsuite.report.radar.series import run_series
from evalsuite.report.tables.tables import table
from evalsuite.verbs.report import report
from evalsuite.verbs.run_report import read_report
from evalsuite.verbs.score import ScoreRequest, scorable, score_predictions

Read = Callable[[Path], object]


class Subject(NamedTuple):
    """A reader: writes its twin into a folder and returns the files to damage, then reads it."""

    twin: Callable[[Path], list[Path]]
    read: Read


def scoring(task: str, *results: str, split: str | None = None) -> Read:
    """Return what scores result files, as `evalsuite score` does."""

    def read(folder: Path) -> object:
        paths = tuple(folder / name for name in results)
        request = ScoreRequest(target=task, predictions=paths, data=folder, split=split)
        scores = score_predictions(scorable(request), interval=False)
        return json.dumps([one.to_json() for one in scores]).encode()

    return read


def asking(task: str, split: str) -> Read:
    """Return what asks the doctor."""

    def read(folder: Path) -> object:
        found = examine(benchmark_named(task), folder, Scope(split=split, images=2))
        for one in found:
            assert one.text.isprintable()
            assert len(one.text) < LONGEST
        return found

    return read


LONGEST = 700  # characters of a message and the path in it


def language(maker: Callable[..., Path]) -> Callable[[Path], list[Path]]:
    def twin(folder: Path) -> list[Path]:
        maker(folder, int, bytes)
        return sorted(folder.rglob("*.json"))

    return twin


def archive(folder: Path) -> list[Path]:
    karpathy(folder, int, bytes)
    np.savez(
        folder / "features.npz",
        image_ids=np.arange(3),
        text_ids=np.array([0, 1, 10, 11, 20, 21]),
        image_features=np.eye(3),
        text_features=np.eye(3)[[0, 1, 1, 1, 2, 0]],
    )
    return [folder / "features.npz"]


def flickr(folder: Path) -> list[Path]:
    sentences = [{"raw": f"text {n}", "sentid": n, "imgid": 0} for n in range(2)]
    image = {"sentids": [0, 1], "imgid": 0, "split": "test", "filename": "1.jpg"}
    path = folder / "karpathy" / "dataset_flickr30k.json"
    write(path, {"images": [{**image, "sentences": sentences}], "dataset": "flickr30k"})
    ranked = {"image_to_text": {"0": [1, 0]}, "text_to_image": {"0": [0], "1": [0]}}
    return [path, write(folder / "results.json", ranked)]


def nlvr2(folder: Path) -> list[Path]:
    names = [f"dev-{number}-0-{side}" for number in range(3) for side in range(2)]
    path = folder / "nlvr2" / "data" / "dev.json"
    path.parent.mkdir(parents=True)
    examples = [{"identifier": one, "sentence": "is it?", "label": "True"} for one in names]
    path.write_text("\n".join(map(json.dumps, examples)))
    (folder / "results.csv").write_text("".join(f"{one},{one[4] != '1'}\n" for one in names))
    return [path, path, folder / "results.csv"]


def imagenet(folder: Path) -> list[Path]:
    best, rows = {}, []
    for number in range(12):
        name, wnid = f"ILSVRC2012_val_{number + 1:08d}", f"n0000000{number % 6}"
        path = folder / "imagenet" / "val" / wnid / f"{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)
        best[name] = [(number + step) % 6 if step else wnid for step in range(5)]
        rows.append(",".join(map(str, (name, *best[name]))))
    real = write(folder / "imagenet" / "real.json", [[number % 6] for number in range(12)])
    names = folder / "imagenet" / "LOC_synset_mapping.txt"
    names.write_text("".join(f"n0000000{n} class {n}\n" for n in range(6)))
    (folder / "best.csv").write_text("\n".join(rows))
    logits = np.random.default_rng(0).random((12, 6), dtype="f4")
    np.savez(folder / "logits.npz", names=list(best), logits=logits)
    return [real, names, write(folder / "best.json", best), folder / "best.csv"]


def logits(folder: Path) -> list[Path]:
    return [imagenet(folder)[0].with_name("real.json"), folder / "logits.npz"]


def instances(folder: Path) -> list[Path]:
    truth, results = drawn(0, num_images=4)
    for one in truth["images"]:
        one["file_name"] = f"{one['id']:012d}.jpg"
        path = folder / "coco" / "val2017" / one["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 60)).save(path)
    true = write(folder / "coco" / "annotations" / "instances_val2017.json", truth)
    boxes = write(folder / "boxes.json", results)
    both = [{**one, "bbox": result["bbox"]} for one, result in zip(*_pair(truth), strict=True)]
    write(folder / "both.json", both)
    runs = masked(truth, "runs")
    return [true, boxes, folder / "both.json", write(folder / "masks.json", runs)]


def _pair(truth: Any) -> tuple[list[Any], list[Any]]:
    return masked(truth, "polygons"), truth["annotations"]


def ade20k(folder: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    root = folder / "ADEChallengeData2016"
    for kind in ("annotations", "images"):
        (root / kind / "validation").mkdir(parents=True)
    (folder / "p").mkdir()
    for number in (1, 2):
        name = f"ADE_val_0000000{number}"
        true, said = (generator.integers(low, 4, (9, 13)).astype("u1") for low in (0, 1))
        Image.fromarray(true).save(root / "annotations" / "validation" / f"{name}.png")
        Image.fromarray(said).save(folder / "p" / f"{name}.png")
        Image.new("RGB", (13, 9)).save(root / "images" / "validation" / f"{name}.jpg")
    rows = [f"{n}\t0.25\t1\t1\t0\t{name}" for n, name in enumerate(("sky", "sea", "café"), 1)]
    names = root / "objectInfo150.txt"
    names.write_text("\n".join(("Idx\tRatio\tTrain\tVal\tStuff\tName", *rows)), encoding="utf-8")
    return [names, *sorted(root.rglob("*.png")), *sorted((folder / "p").iterdir())]


def photos(folder: Path) -> list[Path]:
    return [*sorted(ade20k(folder)[0].parent.rglob("*.jpg")), *instances(folder)[:1]]


def weights(folder: Path) -> list[Path]:
    positions = "beit3.encoder.embed_positions.A.weight"
    state = {"beit3.vision_embed.proj.weight": torch.ones(2, 3, 4, 4), positions: torch.ones(7, 2)}
    state |= {"beit3.encoder.layers.0.x": torch.ones(2), "head.weight": torch.ones(3, 2)}
    save_file(state, folder / "a.safetensors")
    torch.save({"model": state, "epoch": 1}, folder / "a.pth")
    places = dict.fromkeys(state, "a.safetensors")
    index = write(folder / "m.safetensors.index.json", {"metadata": {}, "weight_map": places})
    return [folder / "a.safetensors", folder / "a.pth", index]


def converting(folder: Path) -> None:
    """Convert each file of weights; the first that is refused ends it."""
    for name in ("a.safetensors", "a.pth", "m.safetensors.index.json"):
        convert(folder / name, folder / "out.safetensors")


def run_of(
    task: str, twin: Callable[[Path], list[Path]], split: str, said: dict[Any, Any]
) -> Callable[[Path], list[Path]]:
    """Return what writes the folder of a run that predicted a twin's samples."""

    def made(folder: Path) -> list[Path]:
        twin(folder)
        run = saved_run(folder / "runs", folder, 0, said, split, task)
        world = write(folder / "tinyworld.json", {"seed": 0, "size": "mini"})
        with warnings.catch_warnings(action="ignore", category=Remark):
            report([run.folder])
        journal = run.folder / "predictions" / split / "rank-0.jsonl"
        own = (run.folder / name for name in ("run.json", "report.json", "train.jsonl"))
        return [journal, *own, world]

    return made


def grey() -> str:
    """Return a label map as a journal holds it."""
    stream = io.BytesIO()
    Image.new("L", (13, 9), 1).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


VQA_RUN = run_of("vqa", language(vqa), "val", {0: "cat", 1: "x", 2: "é"})
BEST = {f"ILSVRC2012_val_{n + 1:08d}": [(n + step) % 6 for step in range(5)] for n in range(12)}
BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}
FEATURE = packed(np.eye(3, dtype="f4")[0])
MAPS = {f"ADE_val_0000000{number}": {"png": grey()} for number in (1, 2)}
RUNS = {
    "vqa": VQA_RUN,
    "captioning": run_of("captioning", language(captioning), "test", dict(enumerate("abc"))),
    "nlvr2": run_of(
        "nlvr2", nlvr2, "dev", {f"dev-{n}-0-{s}": "True" for n in range(3) for s in (0, 1)}
    ),
    "imagenet": run_of("imagenet", imagenet, "val", BEST),
    "retrieval": run_of(
        "retrieval_coco",
        language(retrieval),
        "test",
        {text: {"text": FEATURE, "image": FEATURE} for text in (0, 1, 10, 11, 20, 21)},
    ),
    "detection": run_of("detection", instances, "val", {n: [BOX] for n in (1, 2, 3, 4)}),
    "segmentation": run_of("segmentation", ade20k, "val", MAPS),
}


def _run(folder: Path) -> Path:
    return next((folder / "runs").iterdir())


def reporting(folder: Path) -> object:
    return report([_run(folder)], folder / "out")


def tabling(folder: Path) -> object:
    reports = [read_report(_run(folder))]
    return table("beit3/1", reports, "md"), run_series(reports)


def scoring_run(folder: Path) -> object:
    return score_predictions(scorable(ScoreRequest(target=str(_run(folder)))), interval=False)


SUBJECTS: dict[str, Subject] = {
    "vqa": Subject(language(vqa), scoring("vqa", "results.json")),
    "captioning": Subject(language(captioning), scoring("captioning", "results.json")),
    "nocaps": Subject(language(nocaps), scoring("nocaps", "results.json")),
    "retrieval": Subject(language(retrieval), scoring("retrieval_coco", "results.json")),
    "features": Subject(archive, scoring("retrieval_coco", "features.npz")),
    "flickr30k": Subject(flickr, scoring("retrieval_flickr30k", "results.json")),
    "nlvr2": Subject(nlvr2, scoring("nlvr2", "results.csv", split="dev")),
    "imagenet json": Subject(imagenet, scoring("imagenet", "best.json")),
    "imagenet csv": Subject(imagenet, scoring("imagenet", "best.csv")),
    "logits": Subject(logits, scoring("imagenet", "logits.npz")),
    "boxes": Subject(instances, scoring("detection", "boxes.json")),
    "masks": Subject(instances, scoring("detection", "masks.json")),
    "boxes with masks": Subject(instances, scoring("detection", "both.json")),
    "two files": Subject(instances, scoring("detection", "boxes.json", "masks.json")),
    "label maps": Subject(ade20k, scoring("segmentation", "p")),
    "weights": Subject(weights, converting),
    "report": Subject(VQA_RUN, reporting),
    "table": Subject(VQA_RUN, tabling),
    **{f"run {task}": Subject(twin, scoring_run) for task, twin in RUNS.items()},
    "doctor vqa": Subject(language(vqa), asking("vqa", "val")),
    "doctor captioning": Subject(language(captioning), asking("captioning", "test")),
    "doctor nocaps": Subject(language(nocaps), asking("nocaps", "val")),
    "doctor retrieval": Subject(language(retrieval), asking("retrieval_coco", "test")),
    "doctor flickr30k": Subject(flickr, asking("retrieval_flickr30k", "test")),
    "doctor nlvr2": Subject(nlvr2, asking("nlvr2", "dev")),
    "doctor imagenet": Subject(imagenet, asking("imagenet", "val")),
    "doctor detection": Subject(instances, asking("detection", "val")),
    "doctor segmentation": Subject(ade20k, asking("segmentation", "val")),
    "doctor photos": Subject(photos, asking("segmentation", "val")),
    "doctor detection photos": Subject(photos, asking("detection", "val")),
}
