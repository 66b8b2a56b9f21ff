import hashlib
import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from evalsuite.contracts.benchmark import Benchmark, Card, OfficialFile, Sample, SampleId, Split
from evalsuite.data import doctor
from evalsuite.data.contents import count_files, count_records
from evalsuite.data.doctor import Finding, Scope, examine
from evalsuite.records.errors import UserError

QUESTIONS = OfficialFile(path="toy/questions.json", what="questions", source="toy.org", records=4)
PHOTOS = OfficialFile(path="toy/photos", what="images", source="photos.org", records=4)


class Toy(Benchmark):
    card = Card(
        name="toy",
        title="Toy",
        headline="accuracy",
        needs=("fused",),
        paper="none",
        homepage="none",
        data_licence="none",
        train_split="train",
        eval_split="val",
        protocol="classify",
        splits={"val": Split(num_samples=4, files=(QUESTIONS, PHOTOS))},
    )

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        for id in json.loads((data / QUESTIONS.path).read_text())["questions"]:
            if id == "bad":
                raise UserError(f"{QUESTIONS.path}: record 3 is not of the format")
            yield Sample(id, (f"toy/photos/{id}.png",), "?", {})

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> None:
        return None


def toy() -> Toy:
    return Toy()  # type: ignore[abstract]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "toy/photos").mkdir(parents=True)
    write(tmp_path, [0, 1, 2, 3])
    for id in range(4):
        Image.linear_gradient("L").save(tmp_path / f"toy/photos/{id}.png")
    return tmp_path


def write(data: Path, ids: list[int | str]) -> None:
    (data / QUESTIONS.path).write_text(json.dumps({"info": "x", "questions": ids}))


def by_path(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.path: finding for finding in findings}


def problems(findings: list[Finding]) -> dict[str, str]:
    return {finding.path: finding.text for finding in findings if finding.level == "problem"}


def test_a_whole_release_is_all_well(data: Path) -> None:
    findings = examine(toy(), data)
    assert [finding.level for finding in findings] == ["ok"] * 4
    assert by_path(findings)[QUESTIONS.path].text == "4 of 4"
    assert by_path(findings)[PHOTOS.path].text == "4 of 4 decoded images are readable"


def test_missing_files_say_what_to_fetch_and_from_whom(data: Path) -> None:
    (data / QUESTIONS.path).unlink()
    found = problems(examine(toy(), data))
    assert found == {QUESTIONS.path: "missing: questions; get it from toy.org"}


def test_a_missing_image_folder_leaves_the_questions_counted(data: Path) -> None:
    for path in (data / PHOTOS.path).iterdir():
        path.unlink()
    (data / PHOTOS.path).rmdir()
    findings = examine(toy(), data)
    texts = [finding.text for finding in findings]
    assert "missing: images; get it from photos.org" in texts
    assert "4 of 4 images that samples name are missing, such as 0.png" in texts
    assert by_path(findings)["samples"].text == "4 of 4"


def test_fewer_records_are_called_a_subset(data: Path) -> None:
    write(data, [0, 1])
    findings = by_path(examine(toy(), data))
    assert findings["samples"].level == "differs"
    assert findings["samples"].text == "2 of 4: a subset"
    assert findings[QUESTIONS.path].text == "2 of 4: a subset; get the whole from toy.org"


def test_more_records_than_the_release_are_said_and_their_images_missed(data: Path) -> None:
    write(data, [0, 1, 2, 3, 4])
    findings = examine(toy(), data)
    assert by_path(findings)[QUESTIONS.path].text == "5 of 4: more than the official release holds"
    assert "such as 4.png" in problems(findings)[PHOTOS.path]


def test_a_split_without_a_published_size_is_only_counted(data: Path) -> None:
    benchmark = toy()
    benchmark.card = replace(Toy.card, splits={"val": Split(num_samples=0, files=(QUESTIONS,))})
    found = by_path(examine(benchmark, data))["samples"]
    assert (found.level, found.text) == ("ok", "4")


def test_a_file_cut_short_is_a_problem(data: Path) -> None:
    whole = (data / QUESTIONS.path).read_text()
    (data / QUESTIONS.path).write_text(whole[:-3])
    found = problems(examine(toy(), data))
    assert "is the file cut short?" in found[QUESTIONS.path]
    assert "get it again from toy.org" in found[QUESTIONS.path]


def test_what_the_reader_refuses_is_reported(data: Path) -> None:
    write(data, [0, 1, 2, "bad"])
    assert problems(examine(toy(), data))["samples"].endswith("record 3 is not of the format")


def test_unreadable_images_are_named(data: Path) -> None:
    (data / "toy/photos/1.png").write_bytes(b"")
    (data / "toy/photos/2.png").write_bytes(b"<html>")
    found = problems(examine(toy(), data))
    assert "an empty file" in found["toy/photos/1.png"]
    assert "a web page" in found["toy/photos/2.png"]
    assert found[PHOTOS.path] == "2 of 4 decoded images are readable"


def test_many_unreadable_images_are_summed_up(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in range(4):
        (data / f"toy/photos/{id}.png").write_bytes(b"")
    monkeypatch.setattr(doctor, "NAMED", 1)
    texts = [finding.text for finding in examine(toy(), data)]
    assert "3 more images cannot be read" in texts
    assert sum("an empty file" in text for text in texts) == 1


def test_only_as_many_images_are_decoded_as_asked_for(data: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    findings = examine(toy(), data, Scope(images=2), lambda *step: steps.append(step))
    assert steps == [("val", 2, 1), ("val", 2, 2)]
    assert by_path(findings)[PHOTOS.path].text == "2 of 2 decoded images are readable"


def test_hashes_are_given_when_asked_for(data: Path) -> None:
    expected = hashlib.sha256((data / QUESTIONS.path).read_bytes()).hexdigest()
    assert by_path(examine(toy(), data, Scope(hashes=True)))[QUESTIONS.path].sha256 == expected
    assert by_path(examine(toy(), data))[QUESTIONS.path].sha256 is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", '{"images": [1, 2], "annotations": [{"a": [1]}], "info": {}}', (2, 1)),
        ("a.json", '[{"id": 1}, {"id": 2}, {"id": 3}]', (3,)),
        ("a.json", '{"label": "True"}\n{"label": "False"}\n', (2,)),  # NLVR2's dev.json
        ("a.csv", "id,answer\n1,yes\n", (2,)),
    ],
)
def test_records_are_counted_in_every_official_form(
    name: str, content: str, expected: tuple[int, ...], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert tuple(count_records(tmp_path / name).values()) == expected


def test_files_are_counted_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "n01440764").mkdir()
    for name in ("a.JPEG", "n01440764/b.JPEG", ".hidden"):
        (tmp_path / name).touch()
    assert count_files(tmp_path) == 2


def test_the_doctor_starts_without_torch() -> None:
    code = "import sys, evalsuite.data.doctor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
