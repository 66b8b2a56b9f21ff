"""The script that holds the boards against a collection of published numbers."""

from pathlib import Path

import boards
import pytest

YAML = """
- {benchmark: NLVR2, split: test-P, metric: accuracy, model: BEiT-3, value: 92.58,
   setting: fine-tuned, source: arXiv:2208.10442 Table 4, confidence: two-sources}
- {benchmark: NLVR2, split: test-P, metric: acc, model: BLIP ViT-B 14M, value: 82.30,
   setting: fine-tuned, source: arXiv:2201.12086 Table 8, confidence: two-sources}
"""
CSV = """model,metric,value,split,protocol,source,variant,extra_labels,resolution,kind,note
BEiT-3,top_1,99.9,ImageNet-1K val,fine-tuned,nowhere.org,,,,published,
"""


def printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = boards.main([str(folder)])
    return status, capsys.readouterr().out.splitlines()


def test_a_number_stands_as_collected_or_is_listed_with_what_changed_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "papers.yaml").write_text(YAML)
    status, lines = printed(tmp_path, capsys)
    assert "| papers.yaml | 2 | 0 | 2 | 0 |" in lines
    assert any("the source prints these zeros; YAML drops them" in line for line in lines)
    assert status == 1  # BEiT-3's setting was made up, and no note says why it differs


def test_a_number_that_no_board_holds_is_left_out_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.csv").write_text(CSV)
    status, lines = printed(tmp_path, capsys)
    assert status == 1
    left = "| imagenet: BEiT-3, top_1 99.9 | nowhere.org | left out | no reason stated |"
    assert left in lines


def test_without_a_folder_the_script_says_how_it_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert boards.main([]) == 2
    assert "python benchmarks/boards.py FOLDER" in capsys.readouterr().err
