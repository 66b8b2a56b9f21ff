import json
from pathlib import Path

import pytest

from evalsuite.records.errors import UserError
from evalsuite.records.journal import Journal, read_journals


def test_a_torn_last_line_is_dropped_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    path.write_text('{"id": 1, "prediction": "yes"}\n{"id": 2, "pred')
    with Journal(path) as journal:
        journal.add({3: "no"}, {})
    assert read_journals([path]).predictions == {1: "yes", 3: "no"}


def test_a_kill_at_any_byte_leaves_every_whole_line_readable(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    with Journal(whole) as journal:
        journal.add({1: "ä", 2: {"box": [1, 2]}}, {7: "broken"})
    content = whole.read_bytes()
    for length in range(len(content)):
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(content[:length])
        held = read_journals([torn])
        lines = content[:length].count(b"\n")
        # A line that lacks only its line end is whole, too.
        assert lines <= len(held.predictions) + len(held.failures) <= lines + 1


def test_a_sample_that_was_read_later_is_no_failure(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.jsonl") as journal:
        journal.add({}, {"x": "unreadable"})
    with Journal(tmp_path / "b.jsonl") as journal:
        journal.add({"x": "dog"}, {})
    held = read_journals(tmp_path.glob("*.jsonl"))
    assert (held.predictions, held.failures) == ({"x": "dog"}, {})


def test_ids_keep_their_type(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.jsonl") as journal:
        journal.add({1: "a", "1": "b"}, {})
    assert read_journals([tmp_path / "a.jsonl"]).predictions == {1: "a", "1": "b"}


def test_a_full_disk_is_one_clear_line_and_what_was_written_stays_readable(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    link = tmp_path / "rank-0.jsonl"
    link.symlink_to(full)
    message = r"rank-0.jsonl: cannot be written: No space left"
    with Journal(link) as journal, pytest.raises(UserError, match=message):
        journal.add({1: json.dumps("x" * 10)}, {})
