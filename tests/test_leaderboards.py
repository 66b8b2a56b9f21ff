"""Every row of the boards is complete, sourced and of known vocabulary."""

import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations
from pathlib import Path

import pytest

from evalsuite.records.board import (
    FOLDER,
    Entry,
    board_names,
    board_of,
    metric_facts,
    model_on,
    protocol_of_variant,
    read_board,
    split_of,
    vocabulary,
)
from evalsuite.records.errors import UserError

ROWS = [entry for name in board_names() for entry in read_board(name, third_party=True)]


def test_all_published_rows_are_here() -> None:
    assert len([entry for entry in ROWS if entry.kind != "ours"]) == 2556


def test_every_row_is_complete() -> None:
    for entry in ROWS:
        needed = (entry.model, entry.metric, entry.printed, entry.split, entry.regime, entry.kind)
        assert all(needed), entry
        assert entry.setting, entry
        assert entry.confidence in vocabulary()["confidences"], entry
        assert entry.kind in vocabulary()["kinds"], entry


def test_every_row_names_a_source_that_has_a_bibtex_entry_and_where_in_it() -> None:
    known = set(bibtex())
    for entry in ROWS:
        assert entry.source_key in known, entry
        assert entry.locator, entry
        others = [source.partition(" ")[0] for source in entry.cross_check.split("; ") if source]
        assert set(others) <= known, entry


def test_every_bibtex_entry_has_title_author_and_year() -> None:
    for key, text in bibtex().items():
        assert all(
            re.search(rf"^  {field} = ", text, re.M) for field in ("title", "author", "year")
        )
        assert text.count("{") == text.count("}"), key


def test_every_value_is_a_number_within_its_metrics_limits() -> None:
    for entry in ROWS:
        facts = metric_facts(entry.metric)
        if facts["unit"] == "text":
            assert entry.board in ("model_configuration", "pretraining_data")
            continue
        assert facts["unit"] in ("percent", "x100")
        assert entry.value is not None, entry
        assert 0 < entry.value <= facts["limit"], entry


def test_every_row_uses_known_splits_metrics_regimes_protocols_and_variants() -> None:
    words = vocabulary()
    for entry in ROWS:
        board = words["boards"][entry.board]
        assert entry.split in board["splits"], entry
        assert entry.metric in board["metrics"], entry
        assert entry.regime in words["regimes"], entry
        assert entry.protocol in ("", *words["protocols"]), entry
        assert protocol_of_variant(entry.variant) in (None, entry.protocol), entry
        assert set(entry.variant.split()) <= set(words["variants"]), entry
        assert set(entry.extra_labels.split()) <= set(words["extra_labels"]), entry


def test_no_two_rows_alike_hold_different_values_unless_marked_as_conflicting() -> None:
    for first, second in alike(ROWS):
        far = abs((first.value or 0) - (second.value or 0)) > max(first.rounding, second.rounding)
        if first.printed != second.printed and far:
            assert first.conflicting and second.conflicting, (first, second)


def test_a_row_marked_as_conflicting_has_a_counterpart() -> None:
    marked = {id(entry) for entry in ROWS if entry.conflicting}
    pairs = {id(e) for one, two in alike(ROWS) if one.printed != two.printed for e in (one, two)}
    assert marked <= pairs


def test_labelled_data_that_a_source_states_is_marked() -> None:
    stated = {"Objects365": "boxes", "COCO-Stuff": "masks", "+VG": "vg-questions"}
    stated |= {"VGQA": "vg-questions", "ft22k": "imagenet-21k", "ft21k": "imagenet-21k"}
    stated |= {"IN-21K": "imagenet-21k", "private image-tag": "private-labels"}
    stated |= {"ImageNet-22K-ext-70M (private)": "private-labels", "from COCO-ft": "coco-pairs"}
    stated |= {"starts from COCO": "coco-pairs", "VG questions": "vg-questions"}
    stated |= {"trained on ImageNet-22K": "imagenet-21k"}
    for entry in ROWS:
        for text, label in stated.items():
            if text in f"{entry.extra_data} {entry.setting} {entry.note}":
                assert label in entry.extra_labels.split(), entry


def test_one_result_printed_twice_states_the_same_extra_labels() -> None:
    known: dict[tuple[str | int | None, ...], str] = {}
    for entry in ROWS:
        key = (entry.board, entry.metric, entry.split, entry.model, entry.printed, entry.variant)
        assert known.setdefault((*key, entry.regime), entry.extra_labels) == entry.extra_labels


def test_every_board_file_is_listed_and_every_listed_board_has_a_file() -> None:
    found = {Path(item.name).stem for item in files(FOLDER).iterdir() if item.name.endswith(".csv")}
    assert found == set(board_names())


def test_an_unknown_board_names_the_boards_that_there_are() -> None:
    with pytest.raises(UserError, match=r"no board 'vqa'; there are .*vqav2"):
        read_board("vqa")


def test_tasks_and_split_aliases_lead_to_their_board() -> None:
    assert board_of("vqa") == "vqav2"
    assert board_of("no such task") is None
    assert split_of("nlvr2", "test-P") == "test1"
    assert split_of("nlvr2", "dev") == "dev"


def test_printed_digits_decide_the_rounding() -> None:
    entry = next(entry for entry in ROWS if entry.weights == "beit3_base_patch16_480_vqa.pth")
    assert (entry.printed, entry.value, entry.rounding) == ("77.65", 77.65, 0.005)


def alike(rows: list[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Yield the pairs of rows whose stated protocols do not tell them apart."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in rows:
        where = (entry.board, entry.metric, entry.split, model_on(entry.board, entry.model))
        how = (entry.regime, entry.protocol, entry.variant, entry.extra_labels, entry.kind)
        groups.setdefault((*where, *how), []).append(entry)
    for group in groups.values():
        for first, second in combinations(group, 2):
            if None in (first.resolution, second.resolution) or (
                first.resolution == second.resolution
            ):
                yield first, second


def bibtex() -> dict[str, str]:
    """Return the entries of sources.bib by key."""
    text = (files(FOLDER) / "sources.bib").read_text("utf-8")
    return {
        match[1]: match[0] for match in re.finditer(r"^@\w+\{(\w+),\n.*?^\}$", text, re.M | re.S)
    }
