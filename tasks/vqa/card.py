"""The facts of VQAv2: splits, their official files and sizes."""

from pathlib import Path
from typing import NamedTuple

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, SampleId, Split

DOWNLOAD = "https://visualqa.org/download.html"
COCO = "https://cocodataset.org/#download"
SERVER = "EvalAI challenge 830, https://eval.ai/web/challenges/challenge-page/830"
# Questions of each split: https://visualqa.org/download.html; images: the COCO page.
NUM_QUESTIONS = {
    "train2014": 443_757,
    "val2014": 214_354,
    "test2015": 447_793,
    "test-dev2015": 107_394,
}
NUM_IMAGES = {"train2014": 82_783, "val2014": 40_504, "test2015": 81_434}


class Part(NamedTuple):
    """One official pair of files, and which of its questions a split takes.

    `half` chooses by image: the minival images, the rest, or all.
    """

    subset: str
    half: str = "all"


PARTS = {
    "train": (Part("train2014"),),
    "val": (Part("val2014"),),
    "minival": (Part("val2014", "minival"),),
    "trainval": (Part("train2014"), Part("val2014", "rest")),
    "test-dev": (Part("test-dev2015"),),
    "test-std": (Part("test2015"),),
}
HELD_BACK = ("test-dev", "test-std")
# question_id: the first record of val2014, printed in huggingface/transformers,
# docs/source/en/tasks/visual_question_answering.md.
IDS = Ids(r"\d+", "262148000")


def questions_path(subset: str) -> Path:
    """Return the questions file of a subset, relative to the data folder."""
    return Path("vqav2") / f"v2_OpenEnded_mscoco_{subset}_questions.json"


def annotations_path(subset: str) -> Path:
    """Return the annotation file of a subset, relative to the data folder."""
    return Path("vqav2") / f"v2_mscoco_{subset}_annotations.json"


def image_path(subset: str, image_id: SampleId) -> str:
    """Return an image relative to the data folder."""
    folder = "test2015" if subset.startswith("test") else subset
    return f"coco/{folder}/COCO_{folder}_{str(image_id).zfill(12)}.jpg"


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    files: list[OfficialFile] = []
    for subset, _ in PARTS[name]:
        folder = "test2015" if subset.startswith("test") else subset
        count = NUM_QUESTIONS[subset]
        files.append(
            OfficialFile(
                path=str(questions_path(subset)),
                what=f"VQAv2 questions of {subset}",
                source=DOWNLOAD,
                records=count,
            )
        )
        if name not in HELD_BACK:
            files.append(
                OfficialFile(
                    path=str(annotations_path(subset)),
                    what=f"VQAv2 annotations of {subset}, ten human answers a question",
                    source=DOWNLOAD,
                    records=count,
                )
            )
        files.append(
            OfficialFile(
                path=f"coco/{folder}",
                what=f"COCO images of {folder}",
                source=COCO,
                records=NUM_IMAGES[folder],
            )
        )
    is_whole = all(part.half == "all" for part in PARTS[name])
    size = sum(NUM_QUESTIONS[part.subset] for part in PARTS[name]) if is_whole else None
    return Split(
        num_samples=size,
        files=tuple(files),
        server=SERVER if name in HELD_BACK else None,
        ids=IDS,
    )


CARD = Card(
    name="vqa",
    title="VQAv2",
    headline="vqa_accuracy",
    needs=("fused",),
    paper="arXiv:1612.00837",
    homepage="https://visualqa.org",
    data_licence="CC BY 4.0 (questions and answers); the images have their owners' licences",
    train_split="train",
    eval_split="val",
    protocol="classify",
    hub_task="visual-question-answering",
    splits={name: _split(name) for name in PARTS},
)
