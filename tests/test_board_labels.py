"""The labels of the boards: rules that tell for every row whether it may stand beside another."""

import re
from collections.abc import Callable, Hashable

from evalsuite.records.board import Entry, board_names, read_board, vocabulary

ROWS = [entry for name in board_names() for entry in read_board(name)]
CAPTIONS = ("coco_captioning", "flickr30k_captioning", "nocaps")


def grouped(key: Callable[[Entry], Hashable]) -> list[list[Entry]]:
    """Return the rows that have the same key, group by group."""
    groups: dict[Hashable, list[Entry]] = {}
    for entry in ROWS:
        groups.setdefault(key(entry), []).append(entry)
    return list(groups.values())


def one_model(entry: Entry) -> str:
    """Return the name under which the boards know a row's model, whatever its source calls it."""
    return str(vocabulary()["same_model"].get(entry.model, entry.model))


def test_no_row_is_fine_tuned_on_a_benchmark_without_a_training_set() -> None:
    for entry in ROWS:
        if not vocabulary()["boards"][entry.board].get("training_set", True):
            assert entry.regime != "fine-tuned", entry


def test_trained_captions_say_whether_cider_was_optimised() -> None:
    for entry in ROWS:
        if entry.board in CAPTIONS and entry.regime in ("fine-tuned", "transfer"):
            assert entry.variant in ("cross-entropy", "cider-optimised"), entry


def test_one_result_under_two_names_states_the_same_variant() -> None:
    for rows in grouped(lambda e: (e.board, e.metric, e.split, one_model(e), e.printed, e.regime)):
        assert len({entry.variant for entry in rows}) == 1, rows


def test_rows_of_one_line_of_models_call_a_test_set_by_one_name() -> None:
    for rows in grouped(lambda e: (e.board, e.metric, e.regime, re.split(r"\W", e.model)[0])):
        assert not {"test", "test-5k"} <= {entry.split for entry in rows}, rows


def test_a_models_rerun_learns_from_the_same_labels_as_the_model() -> None:
    for entry in ROWS:
        if entry.model.endswith(" (LAVIS release)"):
            theirs = [e for e in read_board(entry.board) if e.model.split()[0] in entry.model]
            alike = [e for e in theirs if (e.split, e.regime) == (entry.split, entry.regime)]
            assert {e.extra_labels for e in alike} == {entry.extra_labels}, entry
