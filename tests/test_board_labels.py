"""The labels of the boards: rules that tell for every row whether it may stand beside another."""

import re
from collections.abc import Callable, Hashable

from evalsuite.records.board import Entry, board_names, model_on, read_board, vocabulary

ROWS = [entry for name in board_names() for entry in read_board(name, third_party=True)]
CAPTIONS = ("coco_captioning", "flickr30k_captioning", "nocaps")


def grouped(key: Callable[[Entry], Hashable]) -> list[list[Entry]]:
    """Return the rows that have the same key, group by group."""
    groups: dict[Hashable, list[Entry]] = {}
    for entry in ROWS:
        groups.setdefault(key(entry), []).append(entry)
    return list(groups.values())


def test_no_row_is_fine_tuned_on_a_benchmark_without_a_training_set() -> None:
    for entry in ROWS:
        if not vocabulary()["boards"][entry.board].get("training_set", True):
            assert entry.regime != "fine-tuned", entry


def test_trained_captions_say_whether_cider_was_optimised() -> None:
    for entry in ROWS:
        if entry.board in CAPTIONS and entry.regime in ("fine-tuned", "transfer"):
            is_unknown = "does not say whether CIDEr was optimised" in entry.note
            assert is_unknown or entry.variant in ("cross-entropy", "cider-optimised"), entry


def test_one_result_under_two_names_states_the_same_variant() -> None:
    def result(entry: Entry) -> tuple[str, ...]:
        model = model_on(entry.board, entry.model)
        return entry.board, entry.metric, entry.split, model, entry.printed, entry.regime

    for rows in grouped(result):
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


def documents(entry: Entry) -> set[str]:
    """Return the keys of the documents that print a row's value and can be found again."""
    named = [entry.source, *entry.cross_check.split("; ")]
    keys = {document.partition(" ")[0] for document in named if document}
    return {key for key in keys if not key.startswith(("unlocated", "thirdparty"))}


def test_two_sources_are_two_documents_that_can_be_found() -> None:
    for entry in ROWS:
        assert entry.confidence != "two-sources" or len(documents(entry)) >= 2, entry
        assert entry.confidence != "verified" or documents(entry), entry


def test_a_row_without_a_document_is_third_party_and_stands_nowhere_unasked() -> None:
    for entry in ROWS:
        assert documents(entry) or entry.kind == "third-party", entry
    assert any(entry.kind == "third-party" for entry in ROWS)
    unasked = [entry for name in board_names() for entry in read_board(name)]
    assert not any(entry.kind == "third-party" for entry in unasked)


def test_no_rerun_is_by_the_authors_of_the_model() -> None:
    own: dict[str, list[str]] = vocabulary()["authors_code"]
    for entry in ROWS:
        if entry.kind in ("re-run", "authors' code"):
            is_own = any(re.match(name, entry.model) for name in own.get(entry.source_key, ()))
            assert is_own == (entry.kind == "authors' code"), entry


def test_scores_of_cola_say_that_they_are_matthews_correlation() -> None:
    for entry in ROWS:
        assert entry.metric != "cola_accuracy" or "Matthews correlation" in entry.note, entry


def test_a_name_of_several_models_has_on_every_board_the_value_of_the_one_it_stands_for() -> None:
    for name, models in vocabulary()["several_models"].items():
        for entry in ROWS:
            if entry.model == name:
                theirs = [e for e in read_board(entry.board) if e.model == models[entry.board]]
                alike = [e for e in theirs if (e.metric, e.split) == (entry.metric, entry.split)]
                assert entry.value in {e.value for e in alike}, entry


def test_values_keep_the_digits_of_their_source() -> None:
    """A model's values in one place have as many digits, but where the source itself mixes them."""
    mixed = {"BEiT-L/16", "PaliGemma-3B"}  # READMEs: 88.60 beside 88.4, and 75.52 beside 73.7
    for rows in grouped(lambda e: (e.board, e.source, e.model, e.metric, e.regime)):
        if rows[0].value is not None and rows[0].model not in mixed:
            assert len({entry.rounding for entry in rows}) == 1, rows


# Documents whose every number is that of a file which anyone can download.
OF_RELEASED_FILES = (
    "code_dinov2",
    "code_openclip",
    "code_openflamingo",
    "code_timm",
    "code_unilm_beit3",
    "code_unilm_vlmo",
    "code_vilt",
)


def test_a_number_of_a_released_file_names_the_file() -> None:
    for entry in ROWS:
        assert entry.source_key not in OF_RELEASED_FILES or entry.weights, entry
