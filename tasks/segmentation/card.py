"""The facts of ADE20K: splits, their official files and sizes."""

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, Split

ROOT = "ADEChallengeData2016"
HOMEPAGE = "http://sceneparsing.csail.mit.edu/"
DOWNLOAD = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"
DOWNLOAD_TEST = "http://data.csail.mit.edu/places/ADEchallenge/release_test.zip"
CLASSES = f"{ROOT}/objectInfo150.txt"
# Images of each split: the challenge's page.
NUM_IMAGES = {"train": 20_210, "val": 2_000, "test": 3_352}
IMAGES = {
    "train": f"{ROOT}/images/training",
    "val": f"{ROOT}/images/validation",
    "test": "release_test/testing",
}
ANNOTATIONS = {"train": f"{ROOT}/annotations/training", "val": f"{ROOT}/annotations/validation"}


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    count, is_test = NUM_IMAGES[name], name not in ANNOTATIONS
    # File names: CSAILVision/sceneparsing, sampleData; mmsegmentation, docs on preparing datasets.
    ids = Ids(rf"ADE_{name}_000\d{{5}}", f"ADE_{name}_00000001")
    source = DOWNLOAD_TEST if is_test else DOWNLOAD
    images = OfficialFile(
        path=IMAGES[name], what=f"ADE20K images of {name}", source=source, records=count
    )
    if is_test:
        return Split(num_samples=count, files=(images,), server=HOMEPAGE, ids=ids)
    annotations = OfficialFile(
        path=ANNOTATIONS[name], what=f"ADE20K label maps of {name}", source=source, records=count
    )
    classes = OfficialFile(path=CLASSES, what="ADE20K names of the 150 classes", source=source)
    return Split(num_samples=count, files=(images, annotations, classes), ids=ids)


CARD = Card(
    name="segmentation",
    title="ADE20K",
    headline="miou",
    needs=("image",),
    paper="arXiv:1608.05442",
    homepage=HOMEPAGE,
    data_licence="BSD 3-clause (annotations); images for non-commercial research only",
    train_split="train",
    eval_split="val",
    protocol="classify",
    hub_task="image-segmentation",
    splits={name: _split(name) for name in NUM_IMAGES},
)
