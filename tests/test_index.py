import json
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evalsuite.contracts.benchmark import Benchmark, Card, OfficialFile, Sample, Split
from evalsuite.data import index as index_module
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.records.cache import cache_folder
from evalsuite.records.errors import UserError

QUESTIONS = OfficialFile(path="toy/questions.json", what="questions", source="here")
PHOTOS = OfficialFile(path="toy/photos", what="photos", source="here")
TARGET = {
    "answers": ["yes", "no"],
    "weights": [1.0, 0.3],
    "boxes": [[1.5, 2.0], []],
    "label": 3,
    "share": 2.0,
    "is_crowd": False,
    "type": "yes/no",
    "empty": [],
}


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
        splits={"val": Split(num_samples=3, files=(QUESTIONS, PHOTOS))},
    )
    reads = 0

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        type(self).reads += 1
        path = data / QUESTIONS.path
        if not path.is_file():
            raise UserError(f"{path}: missing")
        for id, text in json.loads(path.read_text()):
            yield Sample(id, (f"toy/photos/{id}.jpg",), text, TARGET)


def benchmark() -> Toy:
    Toy.reads = 0
    return Toy()  # type: ignore[abstract]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data/toy/photos").mkdir(parents=True)
    write(tmp_path / "data", [[7, "who?"], [3, "où ?"], [5, ""]])
    return tmp_path / "data"


def write(data: Path, questions: list[list[Any]]) -> None:
    (data / QUESTIONS.path).write_text(json.dumps(questions))


def opened(toy: Toy, data: Path) -> SampleIndex:
    return open_index(toy, data, "val", cache=data.parent / "cache")


def test_samples_come_back_as_they_were_read(data: Path) -> None:
    toy = benchmark()
    index = opened(toy, data)
    assert len(index) == 3
    assert index.ids == [7, 3, 5]
    assert [index[i] for i in range(3)] == list(toy.samples(data, "val"))
    assert repr(index[0].target) == repr(TARGET)  # 2.0 is no 2, False is no 0


def test_text_ids_and_many_batches_are_kept_in_order(data: Path) -> None:
    write(data, [[f"id-{i}", str(i)] for i in range(2500)])
    index = opened(benchmark(), data)
    assert [index[i].text for i in (0, 999, 1000, 2499)] == ["0", "999", "1000", "2499"]
    assert index.ids == [f"id-{i}" for i in range(2500)]


def test_a_position_outside_is_an_index_error(data: Path) -> None:
    with pytest.raises(IndexError, match="no sample 3; there are 3"):
        opened(benchmark(), data)[3]


def test_files_are_read_once(data: Path) -> None:
    toy = benchmark()
    first, second = opened(toy, data), opened(toy, data)
    assert toy.reads == 1
    assert first.fingerprint == second.fingerprint


def test_a_touched_file_is_hashed_and_not_read_again(data: Path) -> None:
    toy = benchmark()
    opened(toy, data)
    os.utime(data / QUESTIONS.path, (1, 1))
    opened(toy, data)
    assert toy.reads == 1


def test_a_changed_file_is_read_again_and_the_old_index_removed(data: Path) -> None:
    toy = benchmark()
    first = opened(toy, data)
    write(data, [[1, "changed"]])
    second = opened(toy, data)
    assert (toy.reads, second.ids) == (2, [1])
    assert first.fingerprint != second.fingerprint
    assert first[0].text == "who?"  # a run that still holds the old one goes on
    assert len(list((data.parent / "cache").rglob("*.arrow"))) == 1


def test_what_a_killed_build_left_is_removed(data: Path) -> None:
    opened(benchmark(), data)
    folder = next((data.parent / "cache").rglob("*.arrow")).parent
    (folder / "old.1.tmp").touch()
    (folder / "young.2.tmp").touch()
    os.utime(folder / "old.1.tmp", (1, 1))
    write(data, [[1, "changed"]])
    opened(benchmark(), data)
    assert [path.name for path in folder.glob("*.tmp")] == ["young.2.tmp"]


def test_another_reader_builds_again_with_the_same_fingerprint(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = benchmark()
    first = opened(toy, data)
    monkeypatch.setattr(index_module, "VERSION", -1)
    second = opened(toy, data)
    assert toy.reads == 2
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_covers_the_names_in_a_folder(data: Path) -> None:
    before = opened(benchmark(), data).fingerprint
    (data / "toy/photos/new.jpg").write_bytes(b"x")
    assert opened(benchmark(), data).fingerprint != before


def test_the_fingerprint_does_not_depend_on_where_the_data_lies(data: Path) -> None:
    moved = data.rename(data.with_name("moved"))
    there = opened(benchmark(), moved).fingerprint
    assert opened(benchmark(), moved.rename(data)).fingerprint == there


def test_an_id_that_comes_twice_is_refused_and_nothing_is_left(data: Path) -> None:
    write(data, [[1, "a"], [1, "b"]])
    with pytest.raises(UserError, match="toy val holds the id 1 twice"):
        opened(benchmark(), data)
    assert not [*data.parent.rglob("*.arrow"), *data.parent.rglob("*.tmp")]


def test_an_empty_or_unknown_split_is_refused(data: Path) -> None:
    write(data, [])
    with pytest.raises(UserError, match="toy val holds no sample"):
        opened(benchmark(), data)
    with pytest.raises(UserError, match="toy has no split 'tset'; there are val"):
        open_index(benchmark(), data, "tset", cache=data.parent / "cache")


def test_a_missing_file_is_the_readers_error_even_with_an_index(data: Path) -> None:
    opened(benchmark(), data)
    (data / QUESTIONS.path).unlink()
    with pytest.raises(UserError, match=r"questions\.json: missing"):
        opened(benchmark(), data)


def test_a_torn_state_file_is_built_over(data: Path) -> None:
    opened(benchmark(), data)
    next((data.parent / "cache").rglob("state.json")).write_text('{"reader": "a')
    assert len(opened(benchmark(), data)) == 3


def test_an_unwritable_cache_is_a_user_error(data: Path) -> None:
    (data.parent / "cache").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="EVALSUITE_CACHE"):
        opened(benchmark(), data)


def test_the_cache_folder_is_settable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALSUITE_CACHE", "elsewhere")
    assert cache_folder() == Path("elsewhere")
    monkeypatch.delenv("EVALSUITE_CACHE")
    assert cache_folder() == Path.home() / ".cache/evalsuite"


def test_an_index_travels_to_a_worker_process(data: Path) -> None:
    index: SampleIndex = pickle.loads(pickle.dumps(opened(benchmark(), data)))
    assert index[1] == Sample(3, ("toy/photos/3.jpg",), "où ?", TARGET)


def _open_in_process(data: Path) -> tuple[list[int | str], int]:
    toy = benchmark()
    return opened(toy, data).ids, toy.reads


def test_of_four_processes_at_once_one_builds(data: Path) -> None:
    write(data, [[i, "?"] for i in range(20_000)])
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(_open_in_process, [data] * 4, chunksize=1)
    assert all(ids == list(range(20_000)) for ids, _ in found)
    assert sum(reads for _, reads in found) == 1
