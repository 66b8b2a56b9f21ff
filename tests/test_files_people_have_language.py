"""VQA, caption, NLVR2 and retrieval files as people have them score as their well-formed twin."""

import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalsuite.__main__ import main
from evalsuite.catalog import benchmark_named
from evalsuite.data.index import open_index
from evalsuite.metrics.captions.java import java_reason

Scored = Callable[..., dict[str, float]]
Refused = Callable[..., str]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "bom": lambda text: b"\xef\xbb\xbf" + text,
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "gzip": gzip.compress,
    "zip": lambda text: zipped(text),
}
# What an id may be written as in results and truth alike; 0 to 5 is the twin.
IDS: dict[str, Callable[[int], Any]] = {
    "float": float,
    "negative": lambda number: number - 9,
    "above 2**53": lambda number: 2**53 + number,
    "above 2**63": lambda number: 2**63 + number,
    "above 2**70": lambda number: 2**70 + number,
    "text": lambda number: f"é{number}",
    "digits": lambda number: str(number),
}
CAPTIONS = ["a red cat sits here", "a blue dog runs fast", "two green birds fly away"]


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("file.json", content)
    return stream.getvalue()


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Scored:
    """Score through the command line and return the values by name."""

    def run(*words: object) -> dict[str, float]:
        line = ["evalsuite", "score", *map(str, words), "--json", "--no-interval"]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ending:
            main()
        printed = capsys.readouterr()
        assert not ending.value.code, printed.err
        return {one["name"]: one["value"] for one in json.loads(printed.out)["scores"]}

    return run


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Score a file that must end with status 2 and return its one line of errors."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["evalsuite", "score", *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            main()
        lines = capsys.readouterr().err.strip().splitlines()
        assert ending.value.code == 2
        assert len(lines) == 1
        assert len(lines[0]) < 700
        return lines[0]

    return run


def write(path: Path, value: Any, pack: Callable[[bytes], bytes] = bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(json.dumps(value).encode()))
    return path


def vqa(folder: Path, named: Callable[[int], Any], pack: Callable[[bytes], bytes]) -> Path:
    """Write three questions, the second answered wrongly, and return the results."""
    said = ["cat", "dog", "é"]
    rows = [{"question_id": named(number), "image_id": named(number)} for number in range(3)]
    questions = {"questions": [row | {"question": "what?"} for row in rows]}
    kinds = {"question_type": "what", "answer_type": "other", "multiple_choice_answer": "x"}
    annotations = [
        row | kinds | {"answers": [{"answer": said[place], "answer_id": n} for n in range(1, 11)]}
        for place, row in enumerate(rows)
    ]
    start = folder / "vqav2"
    write(start / "v2_OpenEnded_mscoco_val2014_questions.json", questions, pack)
    write(start / "v2_mscoco_val2014_annotations.json", {"annotations": annotations}, pack)
    results = [
        {"question_id": row["question_id"], "answer": answer}
        for row, answer in zip(rows, ["cat", "x", "é"], strict=True)
    ]
    return write(folder / "results.json", results, pack)


def karpathy(folder: Path, named: Callable[[int], Any], pack: Callable[[bytes], bytes]) -> None:
    images = [
        {
            "cocoid": named(number),
            "split": "test",
            "filename": f"{number}.jpg",
            "filepath": "val2014",
            "sentences": [
                {"raw": CAPTIONS[number], "sentid": named(10 * number + text)} for text in range(2)
            ],
        }
        for number in range(3)
    ]
    write(folder / "karpathy" / "dataset_coco.json", {"images": images}, pack)


def captioning(folder: Path, named: Callable[[int], Any], pack: Callable[[bytes], bytes]) -> Path:
    karpathy(folder, named, pack)
    said = [CAPTIONS[0], CAPTIONS[2], "two green birds"]
    results = [{"image_id": named(place), "caption": one} for place, one in enumerate(said)]
    return write(folder / "results.json", results, pack)


def nocaps(folder: Path, named: Callable[[int], Any], pack: Callable[[bytes], bytes]) -> Path:
    images = [
        {"id": named(number), "file_name": f"{number}.jpg", "domain": "in-domain"}
        for number in range(3)
    ]
    captions = [{"image_id": named(n), "caption": one} for n, one in enumerate(CAPTIONS)]
    file = {"images": images, "annotations": captions}
    write(folder / "nocaps" / "nocaps_val_4500_captions.json", file, pack)
    results = [{"image_id": named(n), "caption": CAPTIONS[n // 2]} for n in range(3)]
    return write(folder / "results.json", results, pack)


def retrieval(folder: Path, named: Callable[[int], Any], pack: Callable[[bytes], bytes]) -> Path:
    karpathy(folder, named, pack)
    texts = [10 * image + text for image in range(3) for text in range(2)]
    ranked = {
        "image_to_text": {
            str(named(image)): [named(text) for text in texts[image:] + texts[:image]]
            for image in range(3)
        },
        "text_to_image": {str(named(text)): [named(n) for n in (1, 0, 2)] for text in texts},
    }
    return write(folder / "results.json", ranked, pack)


MAKERS = {"vqa": vqa, "captioning": captioning, "nocaps": nocaps, "retrieval_coco": retrieval}


@pytest.fixture(autouse=True)
def _without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR starts Java for each call: its ids are the other scores'."""
    monkeypatch.setattr("evalsuite.metrics.captions.java.package_folder", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize("form", IDS)
@pytest.mark.parametrize("task", MAKERS)
def test_ids_are_names(task: str, form: str, tmp_path: Path, scored: Scored) -> None:
    twin = MAKERS[task](tmp_path / "twin", int, bytes)
    other = MAKERS[task](tmp_path / "other", IDS[form], bytes)
    expected = scored(task, "--predictions", twin, "--data", twin.parent)
    assert scored(task, "--predictions", other, "--data", other.parent) == expected
    assert next(iter(expected.values())) > 0


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("task", MAKERS)
def test_packings_do_not_count(task: str, packing: str, tmp_path: Path, scored: Scored) -> None:
    twin = MAKERS[task](tmp_path / "twin", int, bytes)
    other = MAKERS[task](tmp_path / "other", int, PACKINGS[packing])
    expected = scored(task, "--predictions", twin, "--data", twin.parent)
    assert scored(task, "--predictions", other, "--data", other.parent) == expected


@pytest.mark.parametrize("task", MAKERS)
def test_files_of_another_kind_are_named(task: str, tmp_path: Path, refused: Refused) -> None:
    results = MAKERS[task](tmp_path, int, bytes)
    kinds = [(b"\x80\x04abc", "pickle"), (b'{"a": 1}\n{"a": 2}\n', "JSON lines")]
    kinds += [(b"\x93NUMPY", "NumPy array"), (b"PAR1", "Parquet"), (b"a\tb\n1\t2\n", "tabs")]
    kinds += [(b'["\xe9t\xe9"]', "not UTF-8 at byte 2"), (b'[{"a": "b', "cut short")]
    for content, kind in kinds:
        results.write_bytes(content)
        assert kind in refused(task, "--predictions", results, "--data", tmp_path)


def test_flickr30k_images_may_have_any_name(tmp_path: Path, scored: Scored) -> None:
    sentences = [{"raw": "a cat", "sentid": 0}]
    images = [
        {"split": "test", "filename": name, "sentences": [{**sentences[0], "sentid": number}]}
        for number, name in enumerate(("1000.jpg", "été.jpg"))
    ]
    write(tmp_path / "karpathy" / "dataset_flickr30k.json", {"images": images})
    ranked = {
        "image_to_text": {"1000": [0, 1], "été": [0, 1]},
        "text_to_image": {"0": [1000, "été"], "1": ["été", 1000]},
    }
    results = write(tmp_path / "results.json", ranked)
    scores = scored("retrieval_flickr30k", "--predictions", results, "--data", tmp_path)
    assert (scores["tr_at_1"], scores["ir_at_1"]) == (50.0, 100.0)


def test_a_number_against_a_text_is_told(tmp_path: Path, refused: Refused) -> None:
    for task in ("vqa", "captioning"):
        results = MAKERS[task](tmp_path / task, int, bytes)
        MAKERS[task](tmp_path / "texts", str, bytes)
        (tmp_path / "texts" / "results.json").replace(results)
        line = refused(task, "--predictions", results, "--data", results.parent)
        assert "there it is the text '0', here the number 0" in line


@pytest.mark.parametrize("count", [1, 3, 11])
def test_other_than_ten_answers_are_scored_by_exact_match(
    count: int, tmp_path: Path, scored: Scored
) -> None:
    results = vqa(tmp_path, int, bytes)
    path = tmp_path / "vqav2" / "v2_mscoco_val2014_annotations.json"
    file = json.loads(path.read_text())
    for record in file["annotations"]:
        one = record["answers"][0]["answer"]
        record["answers"] = [{"answer": f"The {one}.", "answer_id": n} for n in range(count)]
    write(path, file)
    scores = scored("vqa", "--predictions", results, "--data", tmp_path)
    assert scores["exact_match"] == pytest.approx(200 / 3)
    assert not [name for name in scores if name.startswith("vqa_accuracy")]


@pytest.mark.parametrize("dtype", ["<f2", ">f4", ">f8", "longdouble"])
@pytest.mark.parametrize("ids", ["u8", "i2", "f8", "U"])
def test_feature_archives_of_any_type(dtype: str, ids: str, tmp_path: Path, scored: Scored) -> None:
    named: Callable[[int], Any] = str if ids == "U" else int
    karpathy(tmp_path, named, bytes)
    texts = [10 * image + text for image in range(3) for text in range(2)]
    np.savez(
        tmp_path / "features.npz",
        image_ids=np.array([named(one) for one in range(3)]).astype(ids),
        text_ids=np.array([named(one) for one in texts]).astype(ids),
        image_features=np.eye(3).astype(dtype),
        text_features=np.eye(3)[[0, 1, 1, 1, 2, 0]].astype(dtype),
    )
    words = ("--predictions", tmp_path / "features.npz", "--data", tmp_path)
    scores = scored("retrieval_coco", *words)
    assert scores["tr_at_1"] == pytest.approx(200 / 3)  # equal texts stand in file order
    assert scores["ir_at_1"] == pytest.approx(400 / 6)


NLVR2_FORMS = {
    "plain": "{}",
    "png": "{}.png",
    "folder": "images/{}.PNG",
    "windows": "C:\\images\\{}.jpg",
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", NLVR2_FORMS)
@pytest.mark.parametrize("head", ["", "identifier,prediction\r\n"])
def test_nlvr2_predictions_as_people_write_them(
    form: str, packing: str, head: str, tmp_path: Path, scored: Scored
) -> None:
    names = [f"dev-{number}-0-0" for number in range(4)]
    examples = [{"identifier": one, "sentence": "s", "label": "True"} for one in names]
    path = tmp_path / "nlvr2" / "data" / "dev.json"
    path.parent.mkdir(parents=True)
    path.write_bytes("\n".join(map(json.dumps, examples)).encode())
    lines = [f"{NLVR2_FORMS[form].format(one)},{one[4] != '2'}" for one in names]
    results = tmp_path / "results.csv"
    results.write_bytes(PACKINGS[packing]((head + "\r\n".join(lines)).encode()))
    scores = scored("nlvr2", "--predictions", results, "--data", tmp_path)
    assert scores["accuracy"] == 75.0


def test_nlvr2_predictions_in_json_are_named_and_tables_of_any_separator_read(
    tmp_path: Path, scored: Scored, refused: Refused
) -> None:
    examples = [{"identifier": f"dev-{n}-0-0", "sentence": "s", "label": "True"} for n in (1, 2)]
    (tmp_path / "nlvr2" / "data").mkdir(parents=True)
    lines = "\n".join(map(json.dumps, examples))
    (tmp_path / "nlvr2" / "data" / "dev.json").write_text(lines)
    results = tmp_path / "results.csv"
    words = ("nlvr2", "--predictions", results, "--data", tmp_path)
    for content, said in ((lines, "JSON lines, not a table"), (json.dumps(examples), "JSON, not")):
        results.write_text(content)
        assert said in refused(*words)
    for separator in "\t;":
        rows = [f"{one['identifier']}{separator}True" for one in examples]
        results.write_text("\n".join(rows))
        assert scored(*words)["accuracy"] == 100.0


def test_captions_paired_difference_is_that_of_the_two_scores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scored: Scored,
) -> None:
    results = captioning(tmp_path, int, bytes)
    perfect = [{"image_id": n, "caption": one} for n, one in enumerate(CAPTIONS)]
    other = write(tmp_path / "perfect.json", perfect)
    words = ["score", "captioning", "--data", tmp_path, "--json", "--paired"]
    line = ["evalsuite", *map(str, words), "--predictions", str(other), "--predictions"]
    monkeypatch.setattr(sys, "argv", [*line, str(results)])
    with pytest.raises(SystemExit):
        main()
    difference = json.loads(capsys.readouterr().out)["scores"][0]
    first, second = (
        scored("captioning", "--data", tmp_path, "--predictions", one)["cider"]
        for one in (other, results)
    )
    assert difference["name"] == "cider/difference"
    assert difference["value"] == pytest.approx(first - second)
    assert difference["value"] > 100


TRACE = """Exception in thread "main" java.lang.NoClassDefFoundError: edu/stanford/nlp/X
\tat edu.anu.spice.SpiceScorer.main(SpiceScorer.java:1)
Caused by: java.lang.ClassNotFoundException: edu.stanford.nlp.X
\t... 3 more
"""


def test_javas_reason_is_told_not_the_end_of_its_trace() -> None:
    reason = java_reason(TRACE)
    assert "NoClassDefFoundError: edu/stanford/nlp/X (caused by java.lang.ClassNot" in reason
    assert java_reason("") == "no message"


def test_what_the_official_engine_raises_does_not_lose_our_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = vqa(tmp_path, int, bytes)
    for name in ("PythonHelperTools/vqaTools", "PythonEvaluationTools/vqaEvaluation"):
        (tmp_path / name).mkdir(parents=True)
    broken = tmp_path / "PythonHelperTools" / "vqaTools" / "vqa.py"
    broken.write_text("raise KeyError('unread')", encoding="utf-8")
    monkeypatch.setenv("EVALSUITE_VQA_ORACLE", str(tmp_path))
    line = ["evalsuite", "score", "vqa", "--data", str(tmp_path), "--official"]
    monkeypatch.setattr(sys, "argv", [*line, "--predictions", str(results)])
    with pytest.raises(SystemExit) as ending:
        main()
    printed = capsys.readouterr()
    assert (ending.value.code, "66.67" in printed.out) == (2, True)
    assert "--official: the official engine does not take the files (KeyError" in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_an_index_holds_ids_of_any_size(tmp_path: Path) -> None:
    for form in ("above 2**63", "above 2**70", "text", "float"):
        vqa(tmp_path / form, IDS[form], bytes)
        index = open_index(benchmark_named("vqa"), tmp_path / form, "val", cache=tmp_path)
        assert index.ids == [IDS[form](number) for number in range(3)]
        assert index[2].id == index.ids[2]
