"""The facts of COCO detection: splits, their official files and sizes."""

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, Split

COCO = "https://cocodataset.org/#download"
SERVER = "COCO's evaluation servers, https://cocodataset.org/#upload"
# The server takes a file of this name in a zip archive: https://cocodataset.org/#upload
RESULT_NAME = "detections_test-dev2017_{model}_results.json"
# Images of each split and folder: the COCO page.
NUM_IMAGES = {"train": 118_287, "val": 5_000, "test-dev": 20_288}
FOLDERS = {"train": "train2017", "val": "val2017", "test-dev": "test2017"}
NUM_IN_FOLDER = {"train2017": 118_287, "val2017": 5_000, "test2017": 40_670}
# Of the unpacked file, as three copies on Hugging Face print it: datasets S3IC/coco, and models
# zhouyik/Match-R1 and RickC1999/fMRI2TextAligner, annotations/instances_val2017.json.
DIGESTS = {"val": "e8c7f7908f1d7278341fae127d0da654f102f11bd7b21d8aeefa635b8c810b6f"}
HELD_BACK = ("test-dev",)


def annotations_path(split: str) -> str:
    """Return the official file of a split, relative to the data folder."""
    name = "image_info_test-dev2017" if split in HELD_BACK else f"instances_{FOLDERS[split]}"
    return f"coco/annotations/{name}.json"


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    folder = FOLDERS[name]
    what = "the images of test-dev" if name in HELD_BACK else f"objects of {folder}"
    return Split(
        num_samples=NUM_IMAGES[name],
        ids=Ids(r"\d+", "139"),  # image ids of the COCO files
        files=(
            OfficialFile(
                path=annotations_path(name),
                what=f"COCO file with {what}",
                source=COCO,
                records=NUM_IMAGES[name],
                sha256=DIGESTS.get(name),
            ),
            OfficialFile(
                path=f"coco/{folder}",
                what=f"COCO images of {folder}",
                source=COCO,
                records=NUM_IN_FOLDER[folder],
            ),
        ),
        server=SERVER if name in HELD_BACK else None,
        result_name=RESULT_NAME if name in HELD_BACK else None,
        archive=(name,) if name in HELD_BACK else (),
    )


CARD = Card(
    name="detection",
    title="COCO detection and instance segmentation",
    headline="box_ap",
    needs=("image",),
    paper="arXiv:1405.0312",
    homepage="https://cocodataset.org",
    data_licence="CC BY 4.0 (annotations); the images have their owners' licences",
    train_split="train",
    eval_split="val",
    protocol="classify",
    hub_task="object-detection",
    splits={name: _split(name) for name in NUM_IMAGES},
)
