"""The facts of ImageNet-1K: splits, their official files and sizes."""

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, Split

HOMEPAGE = "https://www.image-net.org"
DOWNLOAD = "https://www.image-net.org/download.php"
# Of a wnid and its names a line, as in Kaggle's copy of the challenge.
NAMES = "imagenet/LOC_synset_mapping.txt"
REAL = "imagenet/real.json"
REAL_SOURCE = "https://github.com/google-research/reassessed-imagenet"
# Images of each split: arXiv:1409.0575 Table 2.
NUM_IMAGES = {"train": 1_281_167, "val": 50_000}
# File names: tensorflow/models, research/slim/datasets/build_imagenet_data.py, `image/filename`.
IDS = {
    "train": Ids(r"n\d{8}_\d+", "n01440764_10026"),
    "val": Ids(r"ILSVRC2012_val_000(?:[0-4]\d{4}|50000)", "ILSVRC2012_val_00000001"),
}


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    folder = OfficialFile(
        path=f"imagenet/{name}",
        what=f"ImageNet images of {name}, a folder a class",
        source=DOWNLOAD,
        records=NUM_IMAGES[name],
    )
    return Split(num_samples=NUM_IMAGES[name], files=(folder,), ids=IDS[name])


CARD = Card(
    name="imagenet",
    title="ImageNet-1K",
    headline="top_1",
    needs=("image",),
    paper="arXiv:1409.0575",
    homepage=HOMEPAGE,
    data_licence="non-commercial research only, on request",
    train_split="train",
    eval_split="val",
    protocol="classify",
    hub_task="image-classification",
    splits={name: _split(name) for name in NUM_IMAGES},
)
