"""Tables of ImageNet's best classes, as timm's inference.py and others write them."""

import gzip
import json
import re
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evalsuite.__main__ import main

pd: Any = pytest.importorskip("pandas", reason="timm writes its tables with it")
# A name each; two of them share the same.
WNIDS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n02102040": "English springer, English springer spaniel",
    "n02979186": "cassette player",
    "n03000684": "chain saw, chainsaw",
    "n03126707": "crane",
    "n03394916": "French horn, horn",
    "n03425413": "gas pump, gasoline pump, petrol pump, island dispenser",
}
CLASSES = list(WNIDS)
NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 9)]
ORDERS = np.random.default_rng(4).permuted(np.tile(np.arange(8), (8, 1)), axis=1)[:, :5]
# Class i is that of image i.
TWIN = {
    "top_1": 100 * float((ORDERS[:, 0] == np.arange(8)).mean()),
    "top_5": 100 * float((np.arange(8)[:, None] == ORDERS).any(1).mean()),
}
Scored = Callable[..., dict[str, float]]
Refused = Callable[..., str]


def draw(data: Path, folders: Mapping[str, list[str]]) -> Path:
    """Draw an image folder: names of images by the name of their class."""
    for folder, names in folders.items():
        (data / "imagenet/val" / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            Image.new("RGB", (2, 2)).save(data / "imagenet/val" / folder / f"{name}.JPEG")
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight images of eight of ImageNet's classes."""
    return draw(tmp_path / "data", {one: [name] for one, name in zip(CLASSES, NAMES, strict=True)})


def run(monkeypatch: pytest.MonkeyPatch, data: Path, file: Path, *words: str) -> int:
    line = ["score", "imagenet", "--predictions", file, "--data", data, "--no-interval", *words]
    monkeypatch.setattr(sys, "argv", ["evalsuite", *map(str, line)])
    with pytest.raises(SystemExit) as ending:
        main()
    return int(ending.value.code or 0)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Scored:
    """Score a result file and return the values; remarks stay on stderr."""

    def values(data: Path, file: Path) -> dict[str, float]:
        status = run(monkeypatch, data, file, "--json")
        printed = capsys.readouterr()
        sys.stderr.write(printed.err)
        assert status == 0, printed.err
        return {one["name"]: one["value"] for one in json.loads(printed.out)["scores"]}

    return values


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return the one line that refuses a result file."""

    def line(data: Path, file: Path) -> str:
        capsys.readouterr()  # remarks on files before
        assert run(monkeypatch, data, file) == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        assert str(file) in printed
        return printed

    return line


def timm_frame(label: str, *, index: bool, columns: bool, topk: int = 5) -> Any:
    """Return the table that timm's inference.py makes (its lines 330 to 355 @aa4b585)."""
    said = {"name": lambda one: CLASSES[one], "description": lambda one: WNIDS[CLASSES[one]]}
    said["detail"] = lambda one: f"{WNIDS[CLASSES[one]]}: it's a thing, or so"
    content: dict[str, Any] = {}
    if index:
        content["index"] = ORDERS[:, :topk]
    if label != "none":
        content["label"] = np.vectorize(said[label], otypes=[object])(ORDERS[:, :topk])
    content["prob"] = np.tile(np.linspace(0.4, 0.1, topk, dtype=np.float32), (8, 1))
    table: dict[str, Any] = {"filename": [f"{name}.JPEG" for name in NAMES]}
    for key, values in content.items():
        if columns:
            table |= {f"{key}_{place}": values[:, place] for place in range(topk)}
        else:
            table[key] = list(values.squeeze(-1) if topk == 1 else values)
    return pd.DataFrame(table)


WRITERS: dict[str, Callable[[Any, Path], Any]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "json": lambda frame, path: frame.set_index("filename").to_json(path, indent=4, orient="index"),
    "split.json": lambda frame, path: frame.to_json(path, indent=4, orient="split", index=False),
    "lines.json": lambda frame, path: frame.to_json(path, lines=True, orient="records"),
    "records.json": lambda frame, path: frame.to_json(path, orient="records"),
    "record.json": lambda frame, path: frame.to_csv(path, index=False),  # as "json-record" does
    "parquet": lambda frame, path: frame.set_index("filename").to_parquet(path),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "numbered.csv": lambda frame, path: frame.to_csv(path),
    "csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "json.gz": lambda frame, path: frame.set_index("filename").to_json(path, orient="index"),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(("label", "index"), [("name", False), ("none", True), ("detail", True)])
def test_timms_tables_of_five_classes_are_scored(
    data: Path, tmp_path: Path, scored: Scored, writer: str, columns: bool, label: str, index: bool
) -> None:
    path = tmp_path / f"out.{writer}"
    WRITERS[writer](timm_frame(label, index=index, columns=columns), path)
    assert scored(data, path) == TWIN


@pytest.mark.parametrize("writer", WRITERS)
def test_timms_default_of_one_class_has_no_top_5(
    data: Path,
    tmp_path: Path,
    scored: Scored,
    writer: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / f"out.{writer}"
    WRITERS[writer](timm_frame("name", index=False, columns=False, topk=1), path)
    assert scored(data, path) == {"top_1": TWIN["top_1"]}
    assert "has one class per image: no top_5" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["description", "detail"])
def test_descriptions_that_two_classes_share_are_refused(
    data: Path, tmp_path: Path, refused: Refused, label: str
) -> None:
    path = tmp_path / "out.csv"
    timm_frame(label, index=False, columns=False).to_csv(path, index=False)
    assert "timm's inference.py writes wnids with --label-type name" in refused(data, path)
    names = "".join(f"{wnid} {text}\n" for wnid, text in WNIDS.items())
    (data / "imagenet/LOC_synset_mapping.txt").write_text(names)
    assert "crane" in refused(data, path)


def test_descriptions_without_an_ambiguous_one_score_as_numbers(
    data: Path, tmp_path: Path, scored: Scored
) -> None:
    names = {wnid: f"{text}, {wnid}" for wnid, text in WNIDS.items()}
    lines = [f"{wnid} {text}\r\n" for wnid, text in names.items()]
    (data / "imagenet/LOC_synset_mapping.txt").write_bytes("".join(lines).encode("utf-16"))
    rows = {n: [names[CLASSES[one]] for one in row] for n, row in zip(NAMES, ORDERS, strict=True)}
    (tmp_path / "p.json").write_text(json.dumps(rows))
    assert scored(data, tmp_path / "p.json") == TWIN


def test_a_broken_file_of_names_takes_no_score_away(
    data: Path, tmp_path: Path, scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "imagenet/LOC_synset_mapping.txt").write_bytes("n02979186 café\n".encode("latin-1"))
    (tmp_path / "p.json").write_text(json.dumps(dict(zip(NAMES, ORDERS.tolist(), strict=True))))
    assert scored(data, tmp_path / "p.json") == TWIN
    line = capsys.readouterr().err
    assert re.search(r"mapping\.txt: not UTF-8 at byte 13 .*classes go by their wnids\n", line)
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("filename,prob_0,prob_1,prob_2,prob_3,prob_4", "columns filename, prob_0"),
        ("filename,label,pred", "columns filename, label, pred"),
        ("filename,target,a,b,c,d", "columns filename, target"),
        ("image,truth", "columns image, truth"),
        ("image,class,pred_1,pred_2,pred_3,pred_4", "columns image, class, pred_1"),
        ("filename,index,label", "has 2 cells (8 such row(s)); expected 3"),
    ],
)
def test_columns_that_may_hold_the_truth_are_refused(
    data: Path, tmp_path: Path, refused: Refused, header: str, said: str
) -> None:
    count = 1 if "2 cells" in said else header.count(",")
    rows = [[name, *[place] * count] for place, name in enumerate(NAMES)]
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "p.csv").write_text("\n".join(lines))
    assert said in refused(data, tmp_path / "p.csv")


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "bom": lambda text: b"\xef\xbb\xbf" + text,
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "gzip": gzip.compress,
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("suffix", ["json", "csv", "tsv", "semicolons.csv"])
def test_packings_of_best_classes_do_not_count(
    data: Path, tmp_path: Path, scored: Scored, suffix: str, packing: str
) -> None:
    rows = dict(zip(NAMES, ORDERS.tolist(), strict=True))
    mark = {"csv": ",", "tsv": "\t", "semicolons.csv": ";"}.get(suffix, "")
    text = "\n".join(mark.join([name, *map(str, row)]) for name, row in rows.items())
    content = (json.dumps(rows) if suffix == "json" else text).encode()
    (tmp_path / f"p.{suffix}").write_bytes(PACKINGS[packing](content))
    assert scored(data, tmp_path / f"p.{suffix}") == TWIN


FOREIGN = [
    (b"\x80\x04\x95abc", "a Python pickle; expected best classes"),
    (b"\x93NUMPY\x01\x00", "a NumPy array (.npy); expected best classes"),
    (b"PAR1 torn", "not a whole Parquet table"),
    (b'{"a": [1, 2]}\n{"b": [1, 2]}\n', "record 1 of 2 is"),
    (b'{"a": [1, 2', "the file is cut short"),
    (b"[1, 2]", "record 0 of 2 is 1"),
    (b'{"columns": ["filename", "index"], "data": [["a"]]}', "row 0 of data"),
    (b"a.jpg," + b"9" * 5000, "missing"),
    (b"a.jpg,caf\xe9", "not UTF-8 at byte 9"),
]


@pytest.mark.parametrize(("content", "said"), FOREIGN)
@pytest.mark.parametrize("suffix", ["json", "csv", "pkl"])
def test_files_of_another_kind_are_named(
    data: Path, tmp_path: Path, refused: Refused, content: bytes, said: str, suffix: str
) -> None:
    (tmp_path / f"p.{suffix}").write_bytes(content)
    assert said in refused(data, tmp_path / f"p.{suffix}")


def test_archives_that_hold_no_logits_are_named(
    data: Path, tmp_path: Path, refused: Refused
) -> None:
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        archive.add(data)
    assert "a tar archive" in refused(data, tmp_path / "p.tar")
    (tmp_path / "p.npz").write_bytes(b"\x93NUMPY")
    assert "a NumPy array (.npy); expected logits" in refused(data, tmp_path / "p.npz")
    for names in (np.eye(8), np.array([b"\xe9"] * 8), np.array([NAMES])):
        np.savez(tmp_path / "p.npz", names=names, logits=np.eye(8))
        assert "expected a row of texts" in refused(data, tmp_path / "p.npz")


def real_lists(count: int = 50_000) -> list[list[int]]:
    """Return lists of ReaL: images 1 to 8 have their class, 3 none, 4 another one of ImageNet."""
    # Places among the 1,000 wnids: timm data/_info/imagenet_synsets.txt, from 0.
    numbers = [0, 134, 217, 482, 491, 517, 566, 571]
    lists = [[number, 999] for number in numbers]
    return [*lists[:2], [], [998], *lists[4:], *[[0]] * (count - 8)]


@pytest.mark.parametrize("form", ["{}", "{}_n01440764"])
def test_real_counts_classes_by_wnid_over_a_few_folders(
    tmp_path: Path, scored: Scored, form: str
) -> None:
    names = [form.format(name) for name in NAMES]
    data = draw(tmp_path, {one: [name] for one, name in zip(CLASSES, names, strict=True)})
    (data / "imagenet/real.json").write_text(json.dumps(real_lists()))
    rows = {n: [(place + step) % 8 for step in range(5)] for place, n in enumerate(names)}
    (tmp_path / "p.json").write_text(json.dumps(rows))
    scores = scored(data, tmp_path / "p.json")
    assert scores == {"top_1": 100.0, "top_5": 100.0, "real": pytest.approx(600 / 7)}


@pytest.mark.parametrize(
    ("folder", "lists", "said"),
    [
        ("tench", real_lists(), "folder tench is none of their wnids (1 such): no ReaL accuracy"),
        ("n01443537", real_lists(8), "has no entry of image other (1 such image(s)): no ReaL"),
        ("n01443537", [[1500]], "list 0 holds [1500] (1 such); expected numbers of classes"),
    ],
)
def test_real_that_counts_other_classes_is_left_out(
    data: Path,
    tmp_path: Path,
    scored: Scored,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    lists: list[list[int]],
    said: str,
) -> None:
    draw(data, {folder: ["other"]})
    (data / "imagenet/real.json").write_text(json.dumps(lists))
    owner = dict(zip(NAMES, CLASSES, strict=True)) | {"other": folder}
    (tmp_path / "p.json").write_text(json.dumps(owner))
    assert scored(data, tmp_path / "p.json") == {"top_1": 100.0}
    assert said in capsys.readouterr().err


def numbers_file(folder: Path, data: Path, order: list[str]) -> Path:
    """Write right answers as numbers, by the places of the folders in an order."""
    rows = {
        path.stem: [(order.index(path.parent.name) + step) % len(order) for step in range(5)]
        for path in data.glob("imagenet/val/*/*.JPEG")
    }
    (folder / "p.json").write_text(json.dumps(rows))
    return folder / "p.json"


def test_numbers_over_folders_sorted_as_text_are_told(
    tmp_path: Path, scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(number) for number in range(12)]
    data = draw(tmp_path, {one: [f"image_{one}"] for one in folders})
    assert scored(data, numbers_file(tmp_path, data, folders))["top_1"] == 100.0
    assert "class 2 is read as the folder 2, not as 10, which" in capsys.readouterr().err
    path = numbers_file(tmp_path, data, sorted(folders))  # torchvision's ImageFolder
    scored(data, path)
    assert "class 2 is read as the folder 2, not as 10, which" in capsys.readouterr().err
    rows = {n: [sorted(folders)[c] for c in row] for n, row in json.loads(path.read_text()).items()}
    path.write_text(json.dumps(rows))
    assert scored(data, path)["top_1"] == 100.0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "folders", [[f"class_{number}" for number in range(12)], ["Zebra", "apple", "Cat"]]
)
def test_numbers_of_folders_that_tools_order_differently_are_refused(
    tmp_path: Path, scored: Scored, refused: Refused, folders: list[str]
) -> None:
    data = draw(tmp_path, {one: [f"image_{one}"] for one in folders})
    path = numbers_file(tmp_path, data, folders)
    assert "timm numbers these folders in another order" in refused(data, path)
    path.write_text(json.dumps({f"image_{one}": one for one in folders}))
    assert scored(data, path) == {"top_1": 100.0}
    logits = np.eye(len(folders), dtype=np.float32)
    names = [f"image_{one}" for one in folders]
    np.savez(tmp_path / "p.npz", names=names, logits=logits)
    assert "add an array classes, the folder of each column" in refused(data, tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", names=names, logits=logits, classes=folders)
    assert scored(data, tmp_path / "p.npz")["top_1"] == 100.0
    np.savez(tmp_path / "p.npz", names=names, logits=logits, classes=[*folders[1:], "other"])
    assert f"classes lacks {folders[0]}; expected" in refused(data, tmp_path / "p.npz")
