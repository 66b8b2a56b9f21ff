"""Tables of papers: the paper's own cells, honest gaps, and no ranking of unlike rows."""

import csv
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from evalsuite.records.board import FOLDER
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.tables.data import Cell, Table, filled
from evalsuite.report.tables.definition import definitions, table_names
from evalsuite.report.tables.tables import table

NO_SOURCE = "no source found"
TEX = shutil.which("tectonic") or shutil.which("pdflatex")


def report(task: str, split: str, name: str, value: float, **changed: Any) -> Report:
    scores = [Score(name=name, value=value, unit="percent", n=100)]
    facts: dict[str, Any] = {"task": task, "title": task, "split": split, "backbone": "beit3_base"}
    data = {"name": None, "checked": "all", "unlike": None}
    facts |= {"weights": {}, "recipe": {}, "data": data, "scores": scores, "limit": None, "seed": 0}
    protocol = "embed" if task.startswith("retrieval") else "classify"
    facts |= {"regime": "fine-tuned", "protocol": protocol}
    return Report(**{**facts, **changed})


def cells_of(name: str) -> dict[tuple[str, str], str]:
    """Return the values of a printed CSV by model and column; empty cells and facts left out."""
    rows = list(csv.DictReader(io.StringIO(table(name, format="csv"))))
    first = "benchmark" if "benchmark" in rows[0] else "model"
    return {
        (row[first], column): value
        for row in rows
        for column, value in row.items()
        if column not in (first, "group", "data", "pixels") and not value.startswith("n/a: ")
    }


def cell(printed: Table, label: str, column: str) -> Cell:
    (line,) = (line for line in printed.lines if line.label == label)
    titles = [f"{column.group} {column.title}".strip() for column in printed.columns]
    return line.cells[titles.index(column)]


def test_known_cells_of_the_papers_stand_where_the_papers_have_them() -> None:
    four = cells_of("beit3/4")  # arXiv:2208.10442 Table 4
    assert four["BEiT-3", "VQAv2 test-std"] == "84.03"
    assert four["CoCa", "COCO captioning CIDEr"] == "143.6"
    flamingo = cells_of("flamingo/1")  # arXiv:2204.14198 Table 1
    assert flamingo["Flamingo-80B, 32 shots", "VQAv2"] == "67.6"
    blip = cells_of("blip/5")  # arXiv:2201.12086 Table 5
    assert blip["BLIP ViT-L 129M", "COCO image→text R@1"] == "82.4"


@pytest.mark.parametrize("name", table_names())
def test_no_cell_is_blank_and_every_gap_has_a_reason(name: str) -> None:
    printed = filled(name)
    for line in printed.lines:
        assert any(one.text or NO_SOURCE in one.note for one in line.cells), line.label
        assert all(one.text or one.note for one in line.cells)
        assert all(line.facts)
    assert not re.search(r"\| +\|", table(name))


@pytest.mark.parametrize("name", table_names())
def test_markdown_is_one_table_of_even_rows_in_githubs_dialect(name: str) -> None:
    runs = [report("nlvr2", "dev", "accuracy", 95.0)]
    page = MarkdownIt("commonmark").enable("table").render(table(name, runs))
    printed = filled(name, runs)
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    inner = printed.columns if printed.transposed else printed.lines
    assert page.count("<table>") == 1 and len(rows) == 1 + len(inner)
    assert len({len(re.findall(r"<t[hd]\b", row)) for row in rows}) == 1
    # All three are tags that GitHub keeps (github/markup README: html-pipeline allow list).
    assert set(re.findall(r"<(\w+)", table(name, runs))) <= {"sup", "ins", "br"}


@pytest.mark.parametrize("name", table_names())
def test_every_citation_has_a_bibtex_entry(name: str) -> None:
    known = set(re.findall(r"^@\w+\{(\w+),", (files(FOLDER) / "sources.bib").read_text(), re.M))
    cited = re.findall(r"\\cite\{([\w,]+)\}", table(name, format="latex"))
    assert cited
    assert {key for keys in cited for key in keys.split(",")} <= known


def test_rows_of_unlike_protocol_are_never_ranked_together() -> None:
    five = filled("beit3/5")
    recall = "COCO image→text R@1"
    assert cell(five, "BLIP", recall).rank == 1  # best of the re-ranked
    assert cell(five, "VinVL", recall).rank == 1  # best of the fusion encoders
    assert cell(five, "BEiT-3", recall).rank == 1
    assert cell(five, "Florence", recall).rank == 2
    lemon = filled("coca/captioning")
    assert cell(lemon, "LEMON (SCST)", "COCO captioning CIDEr").rank == 0  # CIDEr-optimised, alone
    flamingo = filled("flamingo/1")
    assert cell(flamingo, "Flamingo-80B, 4 shots", "VQAv2").rank == 1


def test_rows_of_unlike_resolution_are_never_ranked_together() -> None:
    eight = filled("beit3/8")
    scale = "ADE20K val mIoU, multi-scale"
    assert cell(eight, "SeMask", scale).rank == 1  # of the two at 640
    assert cell(eight, "FD-SwinV2-G", scale).rank == 1  # of the two at 896 with private labels
    seven = filled("beit3/7")
    assert cell(seven, "BEiT-3", "COCO test-dev box AP").rank == 0  # 1280; DINO at 2000 pixels
    assert cell(seven, "Soft Teacher", "COCO test-dev mask AP").rank == 0  # size not stated


UNLIKE_LABELS = [
    # table, column, two rows that differ in extra labelled data, and what the better one has more
    ("beit3/4", "VQAv2 test-std", "SimVLM", "BLIP"),  # Visual Genome questions
    ("beit3/7", "COCO test-dev box AP", "DyHead", "DINO"),  # boxes of Objects365
    ("beit3/8", "ADE20K val mIoU, multi-scale", "BEiT-3", "FD-SwinV2-G"),  # private labels
    ("beit3/9", "ImageNet-1K val top-1", "CoAtNet-7", "MViTv2"),  # private labels
    ("blip/8", "VQAv2 test-dev", "SimVLM-base", "BLIP ViT-B 14M"),  # Visual Genome questions
    ("vlmo/understanding", "VQAv2 test-dev", "ALBEF 14M", "VLMo-Base"),
]
LIKE_LABELS = [
    ("beit3/5", "COCO image→text R@1", "Florence", "BEiT-3"),  # only the web pairs differ
    ("beit3/6", "Flickr30K image→text R@1", "CoCa", "BEiT-3"),
    ("beit3/8", "ADE20K val mIoU, multi-scale", "ViT-Adapter", "BEiT-3"),  # both COCO-Stuff
    ("beit3/9", "ImageNet-1K val top-1", "FD-CLIP", "BEiT-3"),  # both ImageNet-21K
]


@pytest.mark.parametrize(("name", "column", "one", "other"), UNLIKE_LABELS)
def test_rows_of_unlike_extra_labels_are_never_ranked_together(
    name: str, column: str, one: str, other: str
) -> None:
    printed = filled(name)
    first, second = cell(printed, one, column), cell(printed, other, column)
    assert first.alike[:3] == second.alike[:3]  # regime, protocol and variant are the same
    assert first.alike != second.alike
    assert {first.rank, second.rank} != {1, 2}


@pytest.mark.parametrize(("name", "column", "second", "best"), LIKE_LABELS)
def test_rows_of_unlike_pretraining_data_are_ranked_together(
    name: str, column: str, second: str, best: str
) -> None:
    printed = filled(name)
    assert (cell(printed, best, column).rank, cell(printed, second, column).rank) == (1, 2)


def test_a_run_is_a_row_with_its_verdict() -> None:
    weights = {"origin": "beit3_base_patch16_480_vqa.pth", "num_parameters": 228_000_000}
    recipe = {"image_size": 480}
    run = report("vqa", "test-dev", "vqa_accuracy", 77.65, weights=weights, recipe=recipe)
    mine = cell(filled("beit3/4", [run]), "beit3_base (this suite)", "VQAv2 test-dev")
    assert mine.text == "77.65"
    assert mine.note.startswith("as published: published 77.65")


def test_a_tiny_world_run_is_printed_and_never_ranked() -> None:
    run = report("vqa", "val", "vqa_accuracy", 99.9, data={"name": "tinyworld"})
    run = replace(run, scores=[replace(run.scores[0], interval=(99.0, 100.0))])
    printed = filled("beit3/4", [run])
    mine = cell(printed, "beit3_base (this suite)", "VQAv2 test-dev")
    assert (mine.text, mine.rank) == ("99.90 [99.00, 100.00]", 0)
    assert mine.note.startswith("measured on val; not comparable: measured on the drawn tiny world")
    assert cell(printed, "beit3_base (this suite)", "NLVR2 dev").note == "not measured by this run"
    assert cell(printed, "BEiT-3", "VQAv2 test-dev").rank == 1


def test_a_run_on_official_data_is_ranked_among_its_like() -> None:
    run = report("nlvr2", "dev", "accuracy", 95.0)
    printed = filled("beit3/4", [run])
    assert cell(printed, "beit3_base (this suite)", "NLVR2 dev").rank == 1
    assert cell(printed, "BEiT-3", "NLVR2 dev").rank == 2
    half = filled("beit3/4", [report("nlvr2", "dev", "accuracy", 95.0, limit=100)])
    assert cell(half, "beit3_base (this suite)", "NLVR2 dev").rank == 0


def test_two_runs_of_one_backbone_are_two_rows() -> None:
    runs = [report("nlvr2", "dev", "accuracy", value) for value in (90.0, 95.0)]
    printed = filled("beit3/4", runs)
    values = {line.label: cell(printed, line.label, "NLVR2 dev").text for line in printed.lines}
    assert values["beit3_base (this suite)"] == "90.00"
    assert values["beit3_base 2 (this suite)"] == "95.00"


def test_a_fine_tuned_run_stays_out_of_a_zero_shot_table() -> None:
    run = report("retrieval_flickr30k", "test", "tr_at_1", 96.0)
    line = filled("beit3/6", [run]).lines[-1]
    assert not any(one.text for one in line.cells)
    assert filled("beit3/5", [run]).lines[-1].cells[6].text == "96.00"


def test_markdown_marks_rank_and_reason() -> None:
    text = table("beit3/6")
    assert "| BEiT-3 | **94.9** |" in text
    assert "| CoCa | <ins>92.5</ins> |" in text
    assert "n/a<sup>1</sup>" in text
    assert "<sup>1</sup> the paper's table prints no value" in text
    assert "Values from `wang2022beit3 Table 6`." in text


def test_latex_has_booktabs_citations_and_as_many_columns_as_it_says() -> None:
    text = table("beit3/5", format="latex")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"Florence~\cite{yuan2021florence}"):
        assert part in text
    assert r"\cmidrule(lr){3-5}" in text
    assert r"\textbf{84.8}" in text and r"\underline{81.8}" in text
    columns = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)[0]
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {line.count("&") + 1 for line in body} == {len(columns)}
    assert "→" not in text


def test_every_column_has_a_value_or_says_that_no_source_was_found() -> None:
    for name, definition in definitions().items():
        for index, _ in enumerate(definition.columns):
            cells = [line.cells[index] for line in filled(name).lines]
            assert any(one.text or NO_SOURCE in one.note for one in cells), (name, index)


SEEDS = {
    # a headline table of every seed system, and a cell that its source prints
    "mae/imagenet": ("MAE ViT-H/14", "ImageNet-1K top-1 fine-tuned, 448 pixels", "87.8"),
    "clip/zero_shot": ("open_clip ViT-L-14-336 openai", "ImageNet-1K", "76.56"),
    "beit/imagenet": ("BEiT-L/16", "ImageNet-1K top-1 512 pixels, 22K labels", "88.60"),
    "beitv2/imagenet": ("BEiTv2-L/16", "ImageNet-1K top-1 1600 epochs, 21K labels", "88.4"),
    "vilt/downstream": ("ViLT-B/32", "NLVR2 test-P", "76.13"),
    "vlmo/understanding": ("VLMo-Base", "NLVR2 test-P", "83.34"),
    "vl-beit/downstream": ("VL-BEiT-Base", "NLVR2 test-P", ""),
    "vit-bert/downstream": ("ViT-BERT", "GLUE CoLA", ""),
    "simvlm/downstream": ("SimVLM-huge", "VQAv2 test-std", "80.34"),
    "flip/zero_shot": ("FLIP ViT-H/14", "ImageNet-1K top-1 LAION-2B", "78.8"),
    "pali/downstream": ("PaLI-17B", "NoCaps val CIDEr", "127.0"),
    "unified-io/multi_task": ("Unified-IO XL 2.9B", "VQAv2 test-dev", "77.9"),
    "uni-perceiver/glue": ("Uni-Perceiver Base", "CoLA", "43.1"),
    "metalm/zero_shot": ("MetaLM", "VQAv2 test-dev", "41.1"),
    "albef/understanding": ("ALBEF 4M", "NLVR2 test-P", "80.50"),
    "blip/8": ("BLIP ViT-B 14M", "NLVR2 test-P", "82.30"),
    "coca/imagenet": ("CoCa 2.1B", "ImageNet-1K frozen", "90.6"),
    "flamingo/fine_tuned": ("Flamingo-80B", "COCO CIDEr", "138.1"),
    "beit3/released": ("large", "NoCaps val CIDEr", "120.2"),
}


@pytest.mark.parametrize("name", SEEDS)
def test_every_seed_system_has_a_headline_table_with_the_digits_of_its_source(name: str) -> None:
    model, column, printed = SEEDS[name]
    one = cell(filled(name), model, column)
    assert one.text == printed
    assert printed or NO_SOURCE in one.note
    assert one.text in table(name, format="csv")


def test_third_party_values_stand_where_they_are_asked_for_and_take_no_rank() -> None:
    asked = cell(filled("vl-beit/third_party"), "VL-BEiT-Base", "NLVR2 test-P")
    assert (asked.text, asked.value, asked.rank) == ("82.7", None, 0)
    assert asked.note.startswith("third-party pages alone print it")


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"no table 'beit3/12'; there are .*beit3/4"):
        table("beit3/12")
    with pytest.raises(UserError, match=r"no format 'html'; there are md, csv, latex"):
        table("beit3/4", format="html")  # type: ignore[arg-type]


def test_tables_load_without_torch() -> None:
    code = (
        "import sys, evalsuite.report.tables.tables; "
        "print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.skipif(TEX is None, reason="neither tectonic nor pdflatex is installed")
def test_every_table_compiles(tmp_path: Path) -> None:
    body = "\n".join(table(name, format="latex") + r"\clearpage" for name in table_names())
    head = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
    (tmp_path / "tables.tex").write_text(head + body + "\n\\end{document}\n")
    subprocess.run([str(TEX), "tables.tex"], cwd=tmp_path, check=True, capture_output=True)
