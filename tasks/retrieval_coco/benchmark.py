"""COCO retrieval on Karpathy's split, for `evalsuite tasks`, `doctor` and `score`."""

from evalsuite.contracts.benchmark import Card
from evalsuite.data.karpathy import COCO_PATH, NUM_COCO_SENTENCES, coco_images, coco_split
from evalsuite.kinds.retrieval.benchmark import RetrievalBenchmark

CARD = Card(
    name="retrieval_coco",
    title="COCO retrieval",
    headline="tr_at_1",
    needs=("image", "text"),
    paper="arXiv:1412.2306",
    homepage="https://cocodataset.org",
    data_licence="CC BY 4.0 (captions); the images have their owners' licences",
    train_split="train",
    eval_split="test",
    protocol="embed",
    head_from_pretraining=True,
    hub_task="image-text-retrieval",
    splits={name: coco_split(name, count) for name, count in NUM_COCO_SENTENCES.items()},
)

BENCHMARK = RetrievalBenchmark(card=CARD, read=coco_images, source=COCO_PATH)
