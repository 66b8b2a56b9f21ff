"""All tasks in one go, and a paper's numbers beside the released checkpoints'."""

from pathlib import Path

import pytest

from evalsuite.backbones.weights import released_files
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate_all import evaluate_all
from evalsuite.verbs.prepare import Request
from evalsuite.verbs.reproduce import reproduce


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini")
    return folder


def test_released_checkpoints_stand_beside_what_is_published(tmp_path: Path) -> None:
    rows = list(reproduce("beit3/4", tmp_path, tmp_path, Request(task="")))
    by_key = {(row.column, row.weights): row for row in rows}
    # unilm beit3/README.md, reference/beit3.md: NLVR2 base at 224 pixels.
    base = by_key["nlvr2: accuracy, dev", "beit3_base_patch16_224_nlvr2.pth"]
    assert base.released == "83.6"
    assert base.paper == "91.51 (BEiT-3)"
    assert base.verdict == f"not in {tmp_path}"
    assert all(row.measured is None for row in rows)
    unreleased = by_key["captioning: METEOR, test", ""]
    assert unreleased.verdict == "no checkpoint with a published value was released"


def test_an_overview_table_gives_the_papers_own_row(tmp_path: Path) -> None:
    rows = list(reproduce("beit3/1", tmp_path, tmp_path, Request(task="")))
    papers = {row.column: row.paper for row in rows}
    # arXiv:2208.10442, Table 1.
    assert papers["vqa: VQA accuracy, test-std"] == "84.0 (BEiT-3)"
    assert papers["imagenet: top-1, val"] == "89.6 (BEiT-3)"


def test_only_checkpoints_that_can_be_run_here_are_asked_for(tmp_path: Path) -> None:
    rows = list(reproduce("beit3/9", tmp_path, tmp_path, Request(task="")))
    assert {row.weights for row in rows} <= set(released_files())


def test_an_unknown_paper_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no paper or table 'beit4'; there are albef, beit, beit3"):
        list(reproduce("beit4", tmp_path, tmp_path, Request(task="")))
    with pytest.raises(UserError, match=r"no task of .* measures what it prints"):
        list(reproduce("beit3/2", tmp_path, tmp_path, Request(task="")))


def test_a_table_in_small_is_measured_on_the_tiny_world(world: Path, tmp_path: Path) -> None:
    (row,) = reproduce("beit3/9", world, None, Request(task="", runs=tmp_path))
    assert row.column == "imagenet: top-1, val"
    assert row.paper == "89.6 (BEiT-3)"
    assert row.measured is not None
    assert row.measured.n == 24
    assert row.verdict.startswith("not comparable: measured on the drawn tiny world")


def test_a_zero_shot_number_is_a_row_even_where_the_weights_cannot(
    world: Path, tmp_path: Path
) -> None:
    request = Request(task="", runs=tmp_path, weights="scratch")
    rows = {row.column: row for row in reproduce("beit3/6", world, None, request)}
    row = rows["retrieval_flickr30k: image→text R@1, test, zero-shot"]
    assert row.paper == "94.9 (BEiT-3)"  # arXiv:2208.10442 Table 6
    assert row.measured is None
    assert "--zero-shot retrieval_flickr30k" in row.verdict


@pytest.mark.slow
def test_all_tasks_end_with_a_table_a_radar_and_a_page(world: Path, tmp_path: Path) -> None:
    found = evaluate_all(Request(task="all", data=world, runs=tmp_path, track="tensorboard"))
    assert not found.failed
    assert found.page == tmp_path / "report" / "report.html"
    written = {path.name for path in found.page.parent.iterdir()}
    assert {"report.md", "report.json", "report.html", "README.md"} <= written
    assert {"radar.svg", "table.md"} <= written
    folders = {path.parent for path in tmp_path.glob("*/events.out.tfevents.*")}
    assert len(folders) == len(found.reports) + 1  # and the radar's
    assert "(this suite)" in (found.page.parent / "table.md").read_text()
    assert len(found.reports) >= 9


def test_a_task_that_cannot_run_leaves_the_others_alone(world: Path, tmp_path: Path) -> None:
    (world / "nlvr2").rename(world / "away")
    try:
        request = Request(task="all", data=world, runs=tmp_path)
        found = evaluate_all(request, ("nlvr2", "imagenet"))
    finally:
        (world / "away").rename(world / "nlvr2")
    assert [report.task for report in found.reports] == ["imagenet"]
    assert "nlvr2" in found.failed["nlvr2"]
