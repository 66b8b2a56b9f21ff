"""Whatever a message or help text tells people to type exists: option, setting, verb, variable."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main
from PIL import Image
from safetensors.torch import save_file
from test_bad_input import refused as refused
from typer.core import TyperGroup

import evalsuite
from evalsuite.__main__ import app, main
from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.loading import official_state
from evalsuite.catalog import task_named, task_names
from evalsuite.data.text import Tokenizer
from evalsuite.pretraining.recipes import GroundingRecipe, MaskedRecipe, TokenizerRecipe
from evalsuite.records.recipe import Recipe
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world

Refused = Callable[..., str]
ROOT = Path(__file__).parent.parent
FOLDERS = (ROOT / "evalsuite", ROOT / "tasks")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
SETTING = re.compile(r"(?:--set |(?<![\w.-])(?=[a-z]+_))([a-z_]+)=")
EXTRA = re.compile(r"evalsuite\[(\w+)\]")
VERB = re.compile(r"(?:`|run |\$ )evalsuite ([a-z]+)")
TARGET = re.compile(r"`make ([a-z-]+)`")
VARIABLE = re.compile(r"\b(?:EVALSUITE_[A-Z0-9_]+|[A-Z][A-Z0-9]*_[A-Z0-9_]+(?==))")
WHERE_PRINTED = {  # the verbs that run a file's code, where not all do
    "evalsuite/pretraining": {"pretrain"},
    "evalsuite/metrics": {"score", "eval", "report"},
    "evalsuite/verbs/score.py": {"score", "eval", "report"},
    "evalsuite/verbs/run_report.py": {"score", "eval", "report"},
    "evalsuite/verbs/prepare.py": {"eval", "finetune", "pretrain"},
    "evalsuite/verbs/starting_weights.py": {"eval", "finetune", "pretrain"},
    "evalsuite/verbs/evaluate.py": {"eval", "finetune"},
    "evalsuite/engine": {"eval", "finetune", "pretrain"},
    "evalsuite/verbs/report.py": {"report"},
    "evalsuite/verbs/reproduce.py": {"reproduce"},
    "evalsuite/report/tables/tables.py": {"table"},
    "evalsuite/report/radar/draw.py": {"radar"},
}
OTHERS = {"--help"}
TIMMS = {"--label-type", "--include-index", "--topk", "--results-separate-col"}  # inference.py


class Said(NamedTuple):
    """A string of the source: its file, line and text; what is filled in is `{}`."""

    file: str
    line: int
    text: str


@cache
def verbs() -> dict[str, set[str]]:
    """Return the options of every verb."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return {
        name: {option for parameter in command.params for option in parameter.opts} | OTHERS
        for name, command in group.commands.items()
    }


@cache
def settings() -> set[str]:
    recipes: list[Recipe] = []
    for name in task_names():
        recipes += task_named(name).recipes.values()
    kinds = {type(recipe) for recipe in recipes} | {GroundingRecipe, MaskedRecipe, TokenizerRecipe}
    return {item.name for kind in kinds for item in fields(kind)}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "{}" for part in node.values)
    return None


def strings(file: str, tree: ast.Module) -> Iterator[Said]:
    """Yield every string but docstrings; of an f-string the whole."""
    expressions = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        text = text_of(node)
        if text is not None and id(node) not in expressions | parts:
            assert isinstance(node, ast.expr)
            yield Said(file, node.lineno, text)


@cache
def variables() -> set[str]:
    """Return the names that the source reads from the environment."""
    names: set[str] = set()
    for _, tree in sources():
        constants = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            key: ast.expr | None = None
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("environ.get"):
                key = node.args[0]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                key = node.slice
            if isinstance(key, ast.Constant):
                names.add(str(key.value))
            elif isinstance(key, ast.Name):
                names.add(str(constants.get(key.id)))
    return names


def faults(said: Said) -> list[str]:
    """Return what a string tells people to type that does not exist."""
    known = verbs()
    printed_by = next(
        (v for place, v in WHERE_PRINTED.items() if said.file.startswith(place)), None
    )
    named = set(VERB.findall(said.text))
    wrong = [f"no verb {verb}" for verb in named - known.keys()]
    chosen = (named & known.keys()) or printed_by or known.keys()
    options = set().union(*(known[verb] for verb in chosen))
    if named:  # the sentence around the command may name options of the verb that prints it
        options |= set().union(*(known[verb] for verb in printed_by or known.keys()))
    if "timm" in said.text:
        options |= TIMMS
    wrong += [
        f"no option {option}" for option in OPTION.findall(said.text) if option not in options
    ]
    wrong += [f"no setting {key}" for key in SETTING.findall(said.text) if key not in settings()]
    makefile, project = (ROOT / "Makefile").read_text(), (ROOT / "pyproject.toml").read_text()
    wrong += [
        f"no extra {extra}" for extra in EXTRA.findall(said.text) if f"\n{extra} = [" not in project
    ]
    wrong += [
        f"no target {target}"
        for target in TARGET.findall(said.text)
        if not re.search(rf"^{target}:", makefile, re.MULTILINE)
    ]
    return wrong + [
        f"no variable {name}" for name in VARIABLE.findall(said.text) if name not in variables()
    ]


def test_all_that_messages_tell_people_to_type_exists() -> None:
    wrong = [
        f"{said.file}:{said.line}: {fault}"
        for file, tree in sources()
        for said in strings(file, tree)
        if " " in said.text  # others are arguments of programs, patterns, styles
        for fault in faults(said)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("evalsuite/verbs/prepare.py", "give --new-heads", "no option --new-heads"),
        ("evalsuite/pretraining/run.py", "leave --new-head out", "no option --new-head"),
        ("tasks/vqa/task.py", "--set min_answers=1 keeps all", "no setting min_answers"),
        ("tasks/vqa/task.py", "run `evalsuite docter vqa`", "no verb docter"),
        ("evalsuite/verbs/score.py", "`make install` gets it", "no target install"),
        ("tasks/vqa/task.py", "expected test_scale=32 or more", "no setting test_scale"),
        ("tasks/vqa/task.py", "pip install 'evalsuite[track1]'", "no extra track1"),
        ("tasks/vqa/task.py", "set EVALSUITE_CACHES", "no variable EVALSUITE_CACHES"),
    ],
)
def test_a_wrong_name_would_be_found(file: str, text: str, fault: str) -> None:
    assert faults(Said(file, 1, text)) == [fault]


def test_the_walk_sees_the_whole_of_a_message() -> None:
    tree = ast.parse('raise UserError(f"{path}: a "\n  f"--lost {n}")')
    assert [said.text for said in strings("x.py", tree)] == ["{}: a --lost {}"]
    assert len([1 for file, tree in sources() for _ in strings(file, tree)]) > 2000
    assert Path(evalsuite.__file__).parent == FOLDERS[0]


def test_the_size_that_a_large_image_asks_for_lets_it_in(
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EVALSUITE_MAX_PIXELS", "")  # so that what --max-pixels sets is undone
    write_world(tmp_path, size="mini", benchmarks=("imagenet",))
    Image.new("L", (300, 100)).save(next((tmp_path / "imagenet" / "val").glob("*/*")), "png")
    words = ("doctor", "imagenet", "--data", str(tmp_path), "--images", "-1", "--max-pixels")
    monkeypatch.setattr(sys, "argv", ["evalsuite", *words, "20000"])
    with pytest.raises(SystemExit, match="2"):
        main()
    told = capsys.readouterr().out
    assert "30,000 pixels" in told
    number = re.search(r"--max-pixels (\d+)", told)
    assert number is not None
    monkeypatch.setattr(sys, "argv", ["evalsuite", *words, number[1]])
    with pytest.raises(SystemExit, match="0"):
        main()


def test_few_answers_name_the_setting_and_another_head_the_option(
    tmp_path: Path, refused: Refused
) -> None:
    write_world(tmp_path, size="mini", benchmarks=("vqa", "imagenet"))
    line = refused("eval", "vqa", "--data", tmp_path, "--set", "min_answer_count=9999")
    assert "--set min_answer_count=1 keeps every answer" in line
    backbone = beit3("beit3_tiny", final_norm=False, seed=3)
    head = task_named("imagenet").open(
        tmp_path, task_named("imagenet").recipe("beit3_tiny"), Tokenizer(tokenizer_path())
    )
    state = official_state(backbone, head.head(backbone, seed=0))
    state = {key: t[:7] if key.startswith("head.") else t for key, t in state.items()}
    save_file({key: t.contiguous() for key, t in state.items()}, tmp_path / "w.safetensors")
    line = refused("eval", "imagenet", "--data", tmp_path, "--weights", tmp_path / "w.safetensors")
    assert "7 rows, the task has 24 classes; fine-tune a new head with --new-head" in line
