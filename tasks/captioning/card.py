"""The facts of COCO captioning: splits, their official files and sizes."""

from evalsuite.benchmark import Card, OfficialFile, Split

KARPATHY_PATH = "karpathy/dataset_coco.json"
KARPATHY_SOURCE = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
TEST_PATH = "coco/annotations/image_info_test2014.json"
COCO_SOURCE = "https://cocodataset.org/#download"
SERVER = (
    "COCO caption challenge, https://codalab.lisn.upsaclay.fr/competitions/7404; "
    "it takes captions of val2014 and of test2014 together"
)
# Karpathy & Fei-Fei 2015, section 4: 5,000 images each for val and test; the file has 123,287.
# Training goes over sentences (BEiT-3, BLIP): 566,747 of the 113,287 images of train and restval.
NUM_SAMPLES = {"train": 566_747, "val": 5_000, "test": 5_000}
NUM_KARPATHY_IMAGES = 123_287
NUM_IMAGES = {"train2014": 82_783, "val2014": 40_504, "test2014": 40_775}  # cocodataset.org
IMAGE_FOLDERS = {"train": ("train2014", "val2014"), "val": ("val2014",), "test": ("val2014",)}

KARPATHY_FILE = OfficialFile(
    path=KARPATHY_PATH,
    what="Karpathy's splits of COCO with all captions, images",
    source=KARPATHY_SOURCE,
    records=NUM_KARPATHY_IMAGES,
)


def _images(name: str) -> OfficialFile:
    """Return one folder of COCO images."""
    return OfficialFile(
        path=f"coco/{name}",
        what=f"COCO images of {name}",
        source=COCO_SOURCE,
        records=NUM_IMAGES[name],
    )


def _split(name: str) -> Split:
    """Return one split of Karpathy's."""
    images = tuple(_images(folder) for folder in IMAGE_FOLDERS[name])
    return Split(num_samples=NUM_SAMPLES[name], files=(KARPATHY_FILE, *images))


TEST2014 = Split(
    num_samples=NUM_IMAGES["test2014"],
    files=(
        OfficialFile(
            path=TEST_PATH,
            what="COCO test2014 images without captions",
            source=COCO_SOURCE,
            records=NUM_IMAGES["test2014"],
        ),
        _images("test2014"),
    ),
    server=SERVER,
    # The server takes a file of this name in a zip archive: https://cocodataset.org/#upload
    result_name="captions_test2014_{model}_results.json",
)

CARD = Card(
    name="captioning",
    title="COCO captioning",
    headline="cider",
    needs=("causal_text",),
    paper="arXiv:1504.00325",
    homepage="https://cocodataset.org/#captions-2015",
    data_licence="CC BY 4.0 (captions); the images have their Flickr owners' licences",
    train_split="train",
    eval_split="test",
    hub_task="image-to-text",
    splits={**{name: _split(name) for name in NUM_SAMPLES}, "test2014": TEST2014},
)
