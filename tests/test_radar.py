"""The radar: the paper's own axes and ticks, honest gaps and arrows, nothing that overlaps."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.radar.draw import radar
from evalsuite.report.radar.series import (
    SCALINGS,
    Point,
    Scaling,
    Series,
    all_axes,
    axes_named,
    axes_of,
    gap_rings,
    paper_axes,
    published_series,
    run_series,
    scales_of,
)

# Figure 1 and Tables 4 to 9 of arXiv:2208.10442: ring ticks, previous SOTA, BEiT-3.
FIGURE_1 = {
    "segmentation": ((59.5, 61, 62.5), 61.4, 62.8),
    "detection": ((62.5, 63, 63.5), 63.3, 63.7),
    "imagenet": ((88.5, 89, 89.5), 89.0, 89.6),
    "nlvr2": ((82, 86, 90), 87.0, 92.58),
    "vqa": ((79.75, 81.5, 83.25), 82.3, 84.03),
    "captioning": ((138.75, 142.5, 146.25), 145.3, 147.6),
    "coco_image_to_text": ((80, 82, 84), 81.8, 84.8),
    "coco_text_to_image": ((62, 64, 66), 63.2, 67.2),
    "flickr30k_image_to_text": ((95.5, 96.5, 97.5), 97.2, 98.0),
    "flickr30k_text_to_image": ((85, 87, 89), 87.9, 90.3),
    "flickr30k_zero_shot_image_to_text": ((90, 92, 94), 92.5, 94.9),
    "flickr30k_zero_shot_text_to_image": ((76, 78, 80), 80.4, 81.5),
}
MODELS = ("BEiT-3", "previous SOTA", "CoCa", "Flamingo")


def report(task: str, scores: dict[str, float], **changed: Any) -> Report:
    rows = [
        Score(name=name, value=value, unit="percent", n=100, interval=(value - 1, value + 1))
        for name, value in scores.items()
    ]
    facts: dict[str, Any] = {"task": task, "title": task, "split": "val", "scores": rows}
    protocol = {"captioning": "generate", "retrieval_coco": "embed"}.get(task, "classify")
    facts |= {"regime": "fine-tuned", "protocol": protocol, "limit": None, "seed": 0}
    facts |= {"backbone": "beit3_tiny"}
    facts |= {"data": {"name": "tinyworld"}, "weights": {}, "recipe": {}}
    return Report(**{**facts, **changed})


TINY = [
    report("vqa", {"vqa_accuracy": 55.2}),
    report("nlvr2", {"accuracy": 81.5}, split="dev"),
    report("captioning", {"cider": 141.0}, split="test"),
    report("retrieval_coco", {"tr_at_1": 83.0, "ir_at_1": 63.0}, split="test"),
    report("imagenet", {"top_1": 99.2}),
]


def texts(figure: Figure) -> Iterator[Text]:
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_text().strip() and text.get_visible():
            yield text


def test_the_axes_are_those_of_the_papers_figure() -> None:
    axes = {axis.name: axis for axis in paper_axes()}
    assert list(axes) == list(FIGURE_1)
    best, before = published_series("BEiT-3"), published_series("previous SOTA")
    for name, (ticks, previous, value) in FIGURE_1.items():
        assert axes[name].ticks == ticks
        assert before.points[name].value == previous
        assert best.points[name].value == value


def test_ring_ticks_of_the_paper_lie_on_equal_rings() -> None:
    scales = scales_of(paper_axes(), "paper", [], published_series("BEiT-3"))
    for axis in paper_axes():
        places = [scales[axis.name].place(tick) for tick in axis.ticks]
        assert places == pytest.approx([0.25, 0.5, 0.75])


def test_absolute_scaling_runs_from_zero_to_the_metrics_limit() -> None:
    scales = scales_of(all_axes(), "absolute", [], published_series("BEiT-3"))
    assert (scales["vqa"].low, scales["vqa"].high) == (0, 100)
    assert (scales["captioning"].low, scales["captioning"].high) == (0, 1000)  # CIDEr-D <= 10


def test_gap_scaling_gives_the_share_of_the_remaining_error() -> None:
    before, best = published_series("previous SOTA"), published_series("BEiT-3")
    scale = scales_of(paper_axes(), "gap", [best, before], before)["nlvr2"]
    rings = gap_rings(paper_axes(), [best, before], before)
    closed = (92.58 - 87.0) / (100 - 87.0)
    assert scale.place(92.58) == pytest.approx((closed - rings[0]) / (rings[-1] - rings[0]))
    assert 87.0 in scale.rings


def test_a_missing_axis_is_a_gap_and_not_a_zero(tmp_path: Path) -> None:
    points = {"vqa": Point(82.0), "captioning": Point(143.0), "segmentation": Point(61.0)}
    figure = radar([Series("mine", points)], path=tmp_path / "r.png", axes=paper_axes())
    lines = [line for line in drawn(figure) if line.get_linestyle() == "-"]
    assert len(lines) == 1  # vqa and captioning are neighbours, segmentation stands alone


def drawn(figure: Figure) -> list[Line2D]:
    """Return the lines and markers of the first series."""
    lines = figure.axes[0].get_lines()
    return [line for line in lines if "#0072B2" in (line.get_color(), line.get_markeredgecolor())]


def test_a_value_outside_the_ticks_is_printed_at_its_axis(tmp_path: Path) -> None:
    points = {"vqa": Point(45.2), "imagenet": Point(99.2)}
    figure = radar([Series("mine", points)], path=tmp_path / "r.png", axes=paper_axes())
    printed = {text.get_text() for text in texts(figure)}
    assert {"▾45.2", "▴99.2"} <= printed


def test_tiny_world_runs_are_dashed_and_say_that_the_data_are_others(tmp_path: Path) -> None:
    (tiny,) = run_series(TINY)
    figure = radar([tiny], path=tmp_path / "r.png")
    assert "tiny world: other data, not comparable" in " ".join(
        text.get_text().replace("\n", " ") for text in texts(figure)
    )
    dashed = [line for line in drawn(figure) if line.get_linestyle() == "--"]
    assert dashed


def test_the_runs_choose_the_axes_and_one_run_falls_back_to_the_papers() -> None:
    tiny = run_series(TINY)
    names = [axis.name for axis in axes_of(tiny, "paper")]
    assert names[:2] == ["imagenet", "nlvr2"]
    assert len(names) == 6
    assert axes_of(run_series(TINY[:1]), "paper") == paper_axes()


def test_a_run_on_another_split_or_a_part_says_so() -> None:
    facts = {"data": {"name": None}, "limit": 500}
    (run,) = run_series([report("vqa", {"vqa_accuracy": 70.0}, **facts)])
    assert run.note == "VQAv2 on val; VQAv2: first 500 samples"
    assert run.points["vqa"].interval == (69.0, 71.0)


def test_a_second_run_of_a_benchmark_is_a_series_of_its_own() -> None:
    runs = run_series([report("vqa", {"vqa_accuracy": value}) for value in (60.0, 70.0)])
    assert [(run.name, run.points["vqa"].value) for run in runs] == [
        ("beit3_tiny", 60.0),
        ("beit3_tiny 2", 70.0),
    ]


def test_the_axis_own_split_is_shown_and_a_run_without_scores_is_no_series() -> None:
    own = report("nlvr2", {"accuracy": 80.0}, split="test1", data={"name": None})
    other = report("nlvr2", {"accuracy": 70.0}, split="dev", data={"name": None})
    held = report("vqa", {}, split="test-dev", data={"name": None})
    for order in ([own, other, held, held], [other, own, held, held]):
        (run,) = run_series(order)
        assert (run.points["nlvr2"].value, run.note) == (80.0, "")


@pytest.mark.parametrize("count", [4, 5, 7, 9, 12, 13])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_no_two_texts_overlap_and_none_leaves_the_figure(
    count: int, scaling: Scaling, tmp_path: Path
) -> None:
    axes = (paper_axes() if scaling == "paper" else all_axes())[:count]
    series = [*(published_series(model) for model in MODELS), *run_series(TINY)]
    figure = radar(series, path=tmp_path / "r.png", scaling=scaling, axes=axes)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    width, height = figure.canvas.get_width_height()
    for name, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, name
    for (name, box), (other, its) in combinations(boxes, 2):
        shared_width = min(box.x1, its.x1) - max(box.x0, its.x0)
        shared_height = min(box.y1, its.y1) - max(box.y0, its.y0)
        assert min(shared_width, shared_height) < 2, (name, other)  # of 300 pixels an inch


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_same_chart_gives_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    series = [published_series("BEiT-3")]
    for name in ("first", "second"):
        radar(series, path=tmp_path / (name + suffix))
    first, second = ((tmp_path / (name + suffix)).read_bytes() for name in ("first", "second"))
    assert first == second


def test_the_scaling_is_stated_on_the_chart(tmp_path: Path) -> None:
    for scaling, words in (("paper", "no axis starts at zero"), ("gap", "left by previous SOTA")):
        figure = radar([published_series("CoCa")], path=tmp_path / "r.svg", scaling=scaling)  # type: ignore[arg-type]
        assert any(words in text.get_text().replace("\n", " ") for text in texts(figure))


RELEASED = {
    # unilm beit3/README.md @768a3c8, li2022blip Tables 7 and 8, alayrac2022flamingo Table 8
    "BEiT-3 large (released)": {"imagenet": 87.6, "captioning": 143.2, "nocaps": 120.2},
    "BLIP": {"vqa": 78.32, "nlvr2": 82.24, "captioning": 136.7, "nocaps": 113.2},
    "Flamingo-80B": {"vqa": 82.1, "captioning": 138.1},
    "PaLI-17B": {"vqa": 84.3, "captioning": 149.1, "nocaps": 127.0},
}


@pytest.mark.parametrize("model", RELEASED)
def test_a_model_stands_on_every_axis_that_it_has_a_value_for(model: str) -> None:
    points = published_series(model).points
    assert {name: points[name].value for name in RELEASED[model]} == RELEASED[model]


def test_a_line_of_several_models_says_so() -> None:
    released = published_series("BEiT-3 large (released)")
    assert released.note == "3 models"
    assert released.points["coco_image_to_text"].value == 82.1  # of the contrastive one
    assert released.points["nlvr2"].value == 90.0  # of the in-domain one


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no radar axis 'vqav2'; there are .*vqa"):
        axes_named(["vqav2"])
    with pytest.raises(UserError, match=r"no radar axis has a value of 'GPT'"):
        published_series("GPT")
    with pytest.raises(UserError, match=r"written as \.svg, \.pdf, \.png"):
        radar([published_series("CoCa")], path=tmp_path / "r.gif")
    with pytest.raises(UserError, match=r"COCO instances.*not an axis of the paper's figure"):
        radar([published_series("CoCa")], path=tmp_path / "r.svg", axes=all_axes())
    with pytest.raises(UserError, match=r"previous SOTA has no value on NoCaps"):
        radar([published_series("CoCa")], path=tmp_path / "r.svg", axes=all_axes(), scaling="gap")


def test_axes_and_series_load_without_matplotlib_or_torch() -> None:
    code = (
        "import sys, evalsuite.report.radar.series; "
        "print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
