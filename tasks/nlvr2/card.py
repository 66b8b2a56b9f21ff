"""The facts of NLVR2: splits, their official files and sizes."""

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, Split

HOMEPAGE = "https://lil.nlp.cornell.edu/nlvr"
REPOSITORY = "https://github.com/lil-lab/nlvr/tree/master/nlvr2/data"
IMAGES = "https://github.com/lil-lab/nlvr/tree/master/nlvr2#direct-image-download"
# Lines of the official files @1892484; test1 is the paper's test-P and test2 its test-U, whose
# labels are public since August 2022.
NUM_EXAMPLES = {"train": 86_373, "dev": 6_982, "test1": 6_967, "test2": 6_970}
# Of the files that the sentences and labels are in, from the repository @1892484.
DIGESTS = {
    "dev": "7c44bc7831c0e060ae7d31807c91cc0c9791322363d8d86828fb44a77f09ae88",
    "test1": "f49a6c512d6868f8faf3b3bbe1a816bf5e8643f13c1bf26e527a21b84e27e2ec",
    "test2": "1eda97084a83030f5cc0d57efdb3826589718f232133c5f470ebd6c54cf87d89",
}
# Lines of the parts whose image pairs have balanced or unbalanced labels, @1892484.
NUM_IN_SUBSET = {
    ("balanced", "dev"): 2_300,
    ("unbalanced", "dev"): 3_562,
    ("balanced", "test1"): 2_316,
    ("unbalanced", "test1"): 3_536,
}


def examples_path(split: str) -> str:
    """Return the file of a split, relative to the data folder."""
    return f"nlvr2/data/{split}.json"


def subset_path(subset: str, split: str) -> str:
    """Return the file of the balanced or unbalanced part of a split."""
    return f"nlvr2/data/{subset}/{subset}_{split}.json"


def image_paths(identifier: str, split: str, directory: int | str | None) -> tuple[str, str]:
    """Return the left and the right image of an example, relative to the data folder."""
    folder = f"{split}/{directory}" if split == "train" else split
    stem = f"nlvr2/images/{folder}/{identifier.rpartition('-')[0]}"
    return f"{stem}-img0.png", f"{stem}-img1.png"


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    return Split(
        num_samples=NUM_EXAMPLES[name],
        # The identifiers of the official files @1892484: split, set, pair, sentence.
        ids=Ids(rf"{name}-\d+-\d+-\d+", f"{name}-0-0-0"),
        files=(
            OfficialFile(
                path=examples_path(name),
                what=f"NLVR2 sentences and labels of {name}, one JSON object a line",
                source=REPOSITORY,
                records=NUM_EXAMPLES[name],
                sha256=DIGESTS.get(name),
            ),
            OfficialFile(
                path=f"nlvr2/images/{name}",
                what=f"NLVR2 image pairs of {name}",
                source=IMAGES,
            ),
        ),
    )


CARD = Card(
    name="nlvr2",
    title="NLVR2",
    headline="accuracy",
    needs=("fused",),
    paper="arXiv:1811.00491",
    homepage=HOMEPAGE,
    data_licence="CC BY 4.0 (sentences and labels); the images have their owners' licences",
    train_split="train",
    eval_split="dev",
    protocol="classify",
    hub_task="visual-question-answering",
    splits={name: _split(name) for name in NUM_EXAMPLES},
)
