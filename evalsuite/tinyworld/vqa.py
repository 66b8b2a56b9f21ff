"""VQAv2's official question and annotation files, about the world's scenes.

As in VQAv2, most questions come in pairs: the same words about another image, with another answer.
"""

from typing import Any, NamedTuple

import numpy as np

from evalsuite.tinyworld.files import write_json
from evalsuite.tinyworld.humans import ten_answers
from evalsuite.tinyworld.questions import Question, answer, question
from evalsuite.tinyworld.scene import Scene
from evalsuite.tinyworld.world import STREAMS, World

FIRST_QUESTIONS = 2  # drawn for each image; each looks for its partner on another
TRIES = 60  # other images looked at before a question stays alone
TEST_DEV_STEP = 4  # every fourth image of test2015 is in test-dev2015, as about a quarter is
INFO = {
    "description": "Questions about drawn shapes, in the format of v2.0 of the VQA dataset.",
    "url": "https://visualqa.org",
    "version": "2.0",
    "year": 2017,
    "contributor": "evalsuite tiny world",
    "date_created": "2017-04-26 17:07:13",
}
LICENSE = {
    "url": "https://creativecommons.org/publicdomain/zero/1.0/",
    "name": "CC0 1.0 Universal",
}


class ImageQuestion(NamedTuple):
    """A question of one image."""

    image_id: int
    question_id: int
    question: Question
    truth: str


def write_vqa(world: World) -> None:
    """Write `vqav2/`: questions of all splits, annotations of train2014 and val2014."""
    folder = world.folder / "vqav2"
    for name in ("train2014", "val2014"):
        asked = asked_of(world, name)
        write_json(folder / f"v2_OpenEnded_mscoco_{name}_questions.json", _questions(name, asked))
        write_json(folder / f"v2_mscoco_{name}_annotations.json", _annotations(world, name, asked))
    asked = asked_of(world, "test2015")
    numbers = [number for number, _ in world.scenes("test2015")]
    dev_images = set(numbers[::TEST_DEV_STEP])
    dev = [one for one in asked if one.image_id in dev_images]
    for name, part in (("test2015", asked), ("test-dev2015", dev)):
        write_json(folder / f"v2_OpenEnded_mscoco_{name}_questions.json", _questions(name, part))


def asked_of(world: World, name: str) -> list[ImageQuestion]:
    """Return the questions of a folder's images, by image and then by id."""
    rng = np.random.default_rng((world.seed, STREAMS[name], 0, 3))
    scenes = list(world.scenes(name))
    found: list[dict[str, tuple[Question, str]]] = [{} for _ in scenes]
    for index, (_, scene) in enumerate(scenes):
        for _ in range(FIRST_QUESTIONS):
            one = question(scene, rng)
            truth = answer(one.ask, scene)
            if one.text in found[index] or truth is None:
                continue
            found[index][one.text] = (one, truth)
            partner = _partner(one, truth, scenes, rng)
            if partner is not None:
                other, other_truth = partner
                found[other].setdefault(one.text, (one, other_truth))
    return [
        ImageQuestion(number, number * 1000 + place, one, truth)
        for (number, _), questions in zip(scenes, found, strict=True)
        for place, (one, truth) in enumerate(questions.values())
    ]


def _partner(
    one: Question, truth: str, scenes: list[tuple[int, Scene]], rng: np.random.Generator
) -> tuple[int, str] | None:
    """Return another image on which the same question has another answer, and that answer."""
    for index in rng.integers(len(scenes), size=TRIES).tolist():
        other = answer(one.ask, scenes[index][1])
        if other is not None and other != truth:
            return index, other
    return None


def _questions(name: str, asked: list[ImageQuestion]) -> dict[str, Any]:
    """Return the content of an official question file."""
    return {
        "info": INFO,
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "license": LICENSE,
        "data_subtype": name,
        "questions": [
            {
                "image_id": one.image_id,
                "question": one.question.text,
                "question_id": one.question_id,
            }
            for one in asked
        ],
    }


def _annotations(world: World, name: str, asked: list[ImageQuestion]) -> dict[str, Any]:
    """Return the content of an official annotation file."""
    rng = np.random.default_rng((world.seed, STREAMS[name], 0, 4))
    return {
        "info": INFO,
        "license": LICENSE,
        "data_subtype": name,
        "annotations": [_annotation(one, rng) for one in asked],
        "data_type": "mscoco",
    }


def _annotation(one: ImageQuestion, rng: np.random.Generator) -> dict[str, Any]:
    """Return one official annotation."""
    given = ten_answers(one.truth, rng)
    return {
        "question_type": one.question.opening,
        "multiple_choice_answer": given.multiple_choice,
        "answers": given.answers,
        "image_id": one.image_id,
        "answer_type": one.question.answer_type,
        "question_id": one.question_id,
    }
