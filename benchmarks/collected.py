"""A collection of published numbers, as YAML and CSV files, in the words of the boards."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml  # type: ignore[import-untyped]

# The collection's names of splits, metrics and boards where they are not the boards' own.
SPLITS = {
    "-": "none",
    "1K test": "test",
    "1k test": "test",
    "Karpathy 5K test": "test",
    "Karpathy test": "test",
    "Karpathy test 1k": "test",
    "Karpathy test 5k": "test",
    "dev (not stated)": "dev",
    "not stated in source": "not stated",
    "test (Karpathy)": "test",
    "test (Karpathy-size 5k)": "test-5k",
    "test 1k": "test",
    "test 5k": "test",
    "test overall": "test",
    "test seen": "test-seen",
    "test-P": "test1",
    "test-dev (see eval script)": "test-dev",
    "test1 (README: test)": "test1",
    "val (10k-image subset)": "val-10k",
    "val (as README says)": "val",
    "val in-domain": "val",
    "val near-domain": "val",
    "val out-domain": "val",
    "val overall": "val",
    "": "not stated",
}
METRICS = {
    "AP box": "box_ap",
    "AP mask": "mask_ap",
    "BLEU@4": "bleu_4",
    "I2T R@1": "tr_at_1",
    "I2T R@5": "tr_at_5",
    "I2T R@10": "tr_at_10",
    "IR R@1": "ir_at_1",
    "IR R@5": "ir_at_5",
    "IR R@10": "ir_at_10",
    "R@1": "ir_at_1",
    "ROC AUC": "roc_auc",
    "T2I R@1": "ir_at_1",
    "T2I R@5": "ir_at_5",
    "T2I R@10": "ir_at_10",
    "TR R@1": "tr_at_1",
    "TR R@5": "tr_at_5",
    "TR R@10": "tr_at_10",
    "VQA acc": "vqa_accuracy",
    "VQA accuracy": "vqa_accuracy",
    "acc": "accuracy",
    "box AP": "box_ap",
    "iVQA acc": "ivqa_accuracy",
    "mIoU (multi-scale)": "miou",
    "mIoU (single-scale)": "miou",
    "mask AP": "mask_ap",
    "mean R@1 (I2T,T2I)": "mean_r_at_1",
    "top-1 acc": "top_1",
    "top-1 accuracy": "top_1",
    "top-5 acc": "top_5",
    "top-5 accuracy": "top_5",
}
BOARDS = {
    "COCO instance segmentation": "coco_detection",
    "HatefulMemes": "hateful_memes",
    "ImageNet-1K": "imagenet",
    "MSRVTT text-to-video": "msrvtt_retrieval",
    "MSRVTTQA": "msrvtt_qa",
    "MSVDQA": "msvd_qa",
    "NextQA": "next_qa",
    "OKVQA": "ok_vqa",
    "TextVQA": "text_vqa",
    "VisDial v1.0": "visdial",
    "CIFAR-10": "cifar10",
    "CIFAR-100": "cifar100",
    "pre-training data": "pretraining_data",
}
# Benchmarks as additions.csv calls them, before the split.
BENCHMARKS = (
    "ADE20K",
    "COCO captioning",
    "COCO detection",
    "COCO retrieval",
    "Flickr30K captioning",
    "Flickr30K retrieval",
    "ImageNet-1K",
    "MSRVTT-QA",
    "MSVD-QA",
    "NLVR2",
    "NoCaps",
    "OK-VQA",
    "SNLI-VE",
    "TextVQA",
    "VATEX",
    "VQAv2",
    "VizWiz",
)
ANSWERS = ("msrvtt_qa", "msvd_qa", "star")  # the collection names their accuracy differently


@dataclass(frozen=True, kw_only=True)
class Collected:
    """One number of a collection; `stated` holds what it says of it by the boards' column."""

    file: str
    board: str
    model: str
    metric: str
    printed: str
    source: str
    stated: dict[str, str] = field(default_factory=dict)


def collected(folder: Path) -> Iterator[Collected]:
    """Yield every number of a folder's *.yaml and *.csv files, file by file in order.

    Raises:
        KeyError: a file lacks a field.
    """
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.csv")]):
        if path.suffix == ".yaml":
            for row in yaml.load(path.read_text("utf-8"), yaml.CSafeLoader):
                yield _of_yaml(path.name, row)
        else:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    yield _of_csv(path.name, row)


def _of_yaml(file: str, row: dict[str, object]) -> Collected:
    benchmark, split, metric = (str(row[name]) for name in ("benchmark", "split", "metric"))
    board = _board(benchmark)
    name = METRICS.get(metric, metric.lower())
    if board.startswith("glue_"):
        name = board[5:].replace("_", "") + ("_f1" if metric == "F1" else "_accuracy")
        board = "glue"
    name = "accuracy" if board in ANSWERS else name
    if split.endswith("-domain"):
        name += split.removeprefix("val ").join(["/", ""])
    columns = ("setting", "params", "extra_data", "confidence")
    return Collected(
        file=file,
        board=board,
        model=str(row["model"]),
        metric="" if split == "-" else name,
        printed=str(row["value"]),
        source=str(row["source"]),
        stated={"split": SPLITS.get(split, split)}
        | {column: str(row[column]) for column in columns if row.get(column)},
    )


def _of_csv(file: str, row: dict[str, str]) -> Collected:
    benchmark = next(name for name in BENCHMARKS if row["split"].startswith(name))
    split = row["split"].removeprefix(benchmark).strip()
    columns = ("variant", "extra_labels", "resolution", "kind")
    return Collected(
        file=file,
        board=_board(benchmark),
        model=row["model"],
        metric=row["metric"],
        printed=row["value"],
        source=row["source"],
        stated={"split": SPLITS.get(split, split), "regime": row["protocol"]}
        | {column: row[column] for column in columns if row[column]},
    )


def _board(benchmark: str) -> str:
    return BOARDS.get(benchmark) or benchmark.lower().replace("-", "_").replace(" ", "_")
