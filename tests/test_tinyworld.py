"""The tiny world: deterministic, true, in the official formats, and not to be answered blindly."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from PIL import Image
from scipy import ndimage

from evalsuite.records.errors import UserError
from evalsuite.tinyworld.captions import captions
from evalsuite.tinyworld.draw import FILL, PALE, mask, picture
from evalsuite.tinyworld.humans import words_said
from evalsuite.tinyworld.questions import answer, question
from evalsuite.tinyworld.scene import Scene, scene
from evalsuite.tinyworld.statements import claim, worded
from evalsuite.tinyworld.tokenizer import tokenizer_path, train_tokenizer
from evalsuite.tinyworld.vqa import asked_of, write_vqa
from evalsuite.tinyworld.world import World, image_id
from evalsuite.tinyworld.write import BENCHMARKS, write_world

# Field for field as in the official files of visualqa.org (v2_*_train2014_*.json).
QUESTION_FILE = ["info", "task_type", "data_type", "license", "data_subtype", "questions"]
ANNOTATION_FILE = ["info", "license", "data_subtype", "annotations", "data_type"]
QUESTION = ["image_id", "question", "question_id"]
ANSWERED = ["question_type", "multiple_choice_answer", "answers"]
ANNOTATION = [*ANSWERED, "image_id", "answer_type", "question_id"]
INFO = ["description", "url", "version", "year", "contributor", "date_created"]


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "mini"
    write_world(folder, size="mini")
    return folder


@pytest.fixture(scope="module")
def many() -> World:
    """A world with enough questions for shares, never drawn."""
    return World(Path("unused"), 0, {"train2014": 3000, "val2014": 600, "test2015": 0})


def loaded(path: Path) -> Any:
    return json.loads(path.read_text())


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    mini: Path, tmp_path: Path
) -> None:
    write_world(tmp_path / "again", size="mini")
    write_world(tmp_path / "other", size="mini", seed=1, benchmarks=["vqa"])
    assert tree(tmp_path / "again") == tree(mini)
    image = "coco/train2014/COCO_train2014_000000000008.jpg"
    assert (tmp_path / "other" / image).read_bytes() != (mini / image).read_bytes()


def test_question_and_annotation_files_have_the_official_fields(mini: Path) -> None:
    questions = loaded(mini / "vqav2/v2_OpenEnded_mscoco_train2014_questions.json")
    annotations = loaded(mini / "vqav2/v2_mscoco_train2014_annotations.json")
    assert list(questions) == QUESTION_FILE
    assert list(annotations) == ANNOTATION_FILE
    assert list(questions["info"]) == list(annotations["info"]) == INFO
    assert {tuple(record) for record in questions["questions"]} == {tuple(QUESTION)}
    assert {tuple(record) for record in annotations["annotations"]} == {tuple(ANNOTATION)}
    assert [q["question_id"] for q in questions["questions"]] == [
        a["question_id"] for a in annotations["annotations"]
    ]
    assert not (mini / "vqav2/v2_mscoco_test2015_annotations.json").exists()


def test_each_question_has_ten_answers_and_their_most_frequent(mini: Path) -> None:
    for record in loaded(mini / "vqav2/v2_mscoco_val2014_annotations.json")["annotations"]:
        said = [entry["answer"] for entry in record["answers"]]
        assert [entry["answer_id"] for entry in record["answers"]] == list(range(1, 11))
        assert {entry["answer_confidence"] for entry in record["answers"]} <= {"yes", "maybe", "no"}
        assert said.count(record["multiple_choice_answer"]) == max(Counter(said).values())
        assert record["answer_type"] in {"yes/no", "number", "other"}


def test_every_question_is_about_an_image_that_is_there(mini: Path) -> None:
    for name, images in (("train2014", "train2014"), ("test-dev2015", "test2015")):
        path = mini / f"vqav2/v2_OpenEnded_mscoco_{name}_questions.json"
        for record in loaded(path)["questions"]:
            number = record["image_id"]
            with Image.open(mini / f"coco/{images}/COCO_{images}_{number:012d}.jpg") as image:
                assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_test_dev_is_a_part_of_test(mini: Path) -> None:
    names = ("test2015", "test-dev2015")
    whole, part = (
        {
            record["question_id"]: record
            for record in loaded(mini / f"vqav2/v2_OpenEnded_mscoco_{name}_questions.json")[
                "questions"
            ]
        }
        for name in names
    )
    assert 0 < len(part) < len(whole)
    assert part.items() <= whole.items()


def seen_things(one: Scene) -> Counter[tuple[str, str]]:
    """Return (colour, place) of the connected pieces of an image, from its pixels alone."""
    pixels = picture(one, 64).astype(np.int32)
    palette = {**FILL, **PALE}
    distance = ((pixels[:, :, None] - np.array([*palette.values()])) ** 2).sum(3)
    nearest = distance.argmin(2)
    found: Counter[tuple[str, str]] = Counter()
    for index, colour in enumerate(FILL):
        # Opened, because the dark rims of other colours look gray.
        solid = ndimage.binary_opening(nearest == index, np.ones((3, 3)))
        for rows, columns in ndimage.find_objects(ndimage.label(solid)[0]):
            row = "top" if rows.start + rows.stop < 64 else "bottom"
            column = "left" if columns.start + columns.stop < 64 else "right"
            found[colour, f"{row} {column}"] += 1
    return found


def test_the_pixels_show_what_the_scene_says() -> None:
    for index in range(150):
        one = scene(0, 9, index)
        assert seen_things(one) == Counter((thing.colour, thing.place) for thing in one.things)


def test_shapes_fill_the_share_of_their_box_that_geometry_gives() -> None:
    shares = {
        "square": 1.0,
        "ring": np.pi / 4 * (1 - 0.42**2),
        "triangle": 0.5,
        "cross": 1 - 0.67**2,
    }
    for index in range(60):
        for thing in scene(0, 9, index).things:
            share = mask(thing, 512).mean() / (2 * thing.half) ** 2
            assert share == pytest.approx(shares[thing.shape], abs=0.02)


def test_masks_of_a_scene_do_not_touch() -> None:
    for index in range(300):
        one = scene(0, 9, index, crowds=0.5)
        masks = [mask(thing, 64) for thing in (*one.things, *one.crowd)]
        assert np.sum(masks, axis=0).max() == 1
        assert not any(inside[[0, -1]].any() or inside[:, [0, -1]].any() for inside in masks)


def told(one: Scene, kind: str, words: tuple[str, ...]) -> str | None:
    """Return the answer by listing the things as text and searching it, not by the code's way."""
    lines = [f"{t.colour} {t.shape} {t.size} {t.place}" for t in one.things]
    wanted = set(" ".join(words).split())
    hits = [line.split() for line in lines if wanted <= set(line.split())]
    if kind.startswith("count"):
        return str(len(hits))
    if kind.startswith("exists"):
        return "yes" if hits else "no"
    part = {"colour": 0, "colour at": 0, "shape": 1, "shape at": 1, "size": 2}
    if kind in part:
        return hits[0][part[kind]]
    if kind == "where":
        return " ".join(hits[0][3:])
    if kind == "is coloured":
        return "yes" if hits else "no"
    return one.ground if kind == "ground" else None


def test_every_answer_is_true_by_another_route() -> None:
    rng = np.random.default_rng(0)
    checked: Counter[str] = Counter()
    for index in range(3000):
        one = scene(0, 9, index)
        asked = question(one, rng)
        expected = told(one, asked.ask.kind, asked.ask.words)
        if expected is not None:
            assert answer(asked.ask, one) == expected, (asked, one)
            checked[asked.ask.kind] += 1
    assert len(checked) == 14


def test_a_relation_holds_by_the_middles_of_the_things() -> None:
    rng = np.random.default_rng(0)
    checked = 0
    for index in range(6000):
        one = scene(0, 9, index)
        asked = question(one, rng)
        if asked.ask.kind == "relation":
            first, relation, second = asked.ask.words
            where = {f"{t.colour} {t.shape}": (t.x, t.y) for t in one.things}
            (x, y), (other_x, other_y) = where[first], where[second]
            axis = {"left": other_x - x, "right": x - other_x, "above": other_y - y}
            axis["below"] = y - other_y
            value = axis[relation.replace("to the ", "").replace(" of", "")]
            assert (value > 0.1) == (answer(asked.ask, one) == "yes") and abs(value) > 0.1
            checked += 1
    assert checked > 50


def test_words_alone_answer_at_most_four_questions_in_ten(many: World) -> None:
    told_by: dict[str, Counter[str]] = defaultdict(Counter)
    for one in asked_of(many, "train2014"):
        told_by[one.question.text][one.truth] += 1
    asked = asked_of(many, "val2014")
    hits = [
        told_by[one.question.text].most_common(1)[0][0] == one.truth
        for one in asked
        if told_by[one.question.text]
    ]
    assert len(asked) > 2000
    assert sum(hits) / len(asked) < 0.40


def test_the_same_question_has_another_answer_elsewhere(many: World) -> None:
    answers: dict[str, set[str]] = defaultdict(set)
    asked = asked_of(many, "val2014")
    for one in asked:
        answers[one.question.text].add(one.truth)
    assert sum(len(answers[one.question.text]) > 1 for one in asked) > 0.97 * len(asked)


def test_people_agree_enough_that_sight_would_score_above_ninety(
    many: World, tmp_path: Path
) -> None:
    world = many._replace(folder=tmp_path, counts={**many.counts, "train2014": 0})
    write_vqa(world)
    records = loaded(tmp_path / "vqav2/v2_mscoco_val2014_annotations.json")["annotations"]
    truths = {one.question_id: one.truth for one in asked_of(world, "val2014")}
    said = [[entry["answer"] for entry in record["answers"]] for record in records]
    truth = [truths[record["question_id"]] for record in records]
    assert np.mean([min(1, s.count(t) / 3) for s, t in zip(said, truth, strict=True)]) > 0.9
    assert 0.2 < np.mean([len(set(answers)) > 1 for answers in said]) < 0.7


def test_the_tokenizer_knows_every_text_and_makes_a_word_one_piece() -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_path()))
    rng = np.random.default_rng(5)
    texts = sorted(words_said())
    for index in range(500):
        one = scene(3, 9, index)
        texts += [question(one, rng).text, worded(claim(rng), rng), *captions(one)]
    assert [pieces.id_to_piece(i) for i in range(3)] == ["<unk>", "<s>", "</s>"]
    for text in texts:
        ids = pieces.encode(text)
        assert pieces.unk_id() not in ids and pieces.decode(ids) == text
        marks = sum(text.count(mark) for mark in ",.?")
        assert len(ids) == len(text.split()) + marks <= 30


def test_the_shipped_tokenizer_is_what_its_command_trains() -> None:
    shipped = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_path()))
    trained = sentencepiece.SentencePieceProcessor(model_proto=train_tokenizer())
    pieces = [trained.id_to_piece(i) for i in range(trained.get_piece_size())]
    assert [shipped.id_to_piece(i) for i in range(shipped.get_piece_size())] == pieces


def test_a_second_call_writes_nothing_and_an_interrupted_one_is_finished(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    first = write_world(folder, size="mini", benchmarks=["vqa"])
    whole = tree(folder)
    assert write_world(folder, size="mini", benchmarks=["vqa"]).written == ()
    marker = loaded(folder / "tinyworld.json")
    del marker["parts"]["coco/val2014"]
    (folder / "tinyworld.json").write_text(json.dumps(marker))
    (folder / f"coco/val2014/COCO_val2014_{image_id('val2014', 3):012d}.jpg").unlink()
    (folder / "coco/val2014/.COCO_x.jpg.1.tmp").write_bytes(b"half")
    assert write_world(folder, size="mini", benchmarks=["vqa"]).written == ("coco/val2014",)
    assert tree(folder) == whole
    assert first.written == BENCHMARKS["vqa"]


def test_of_an_older_world_only_what_has_changed_is_written_anew(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    write_world(folder, size="mini", benchmarks=["detection"])
    whole = tree(folder)
    marker = loaded(folder / "tinyworld.json")
    for part in marker["parts"].values():  # as evalsuite wrote it before parts had a revision
        del part["revision"]
    (folder / "tinyworld.json").write_text(json.dumps(marker))
    changed = BENCHMARKS["detection"][2:]
    for name in changed:
        (folder / name).write_text("{}")
    assert write_world(folder, size="mini", benchmarks=["detection"]).written == changed
    assert write_world(folder, size="mini", benchmarks=["detection"]).written == ()
    again = tree(folder)
    assert all(again[name] == whole[name] for name in changed)


def test_a_folder_that_holds_something_else_is_refused(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"exists but is not a tiny world"):
        write_world(tmp_path, size="mini")
    assert tree(tmp_path) == {"thesis.tex": b"mine"}
    with pytest.raises(UserError, match=r"seed 0.*seed 7"):
        write_world(mini, size="mini", seed=7)
    with pytest.raises(UserError, match=r"mini, small, full"):
        write_world(tmp_path / "new", size="giant")
    with pytest.raises(UserError, match=r"no 'vqq'.*vqa"):
        write_world(tmp_path / "new", benchmarks=["vqq"])
    assert not (tmp_path / "new").exists()
