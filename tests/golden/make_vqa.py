"""Writes vqa.json: answers as the official evaluator normalises and scores them.

    python tests/golden/make_vqa.py CHECKOUT FOLDER

CHECKOUT is a clone of github.com/GT-Vision-Lab/VQA (made with @a013f00), FOLDER holds real
annotation files (the first hundred records of each are taken); nothing of either is kept but the
verdicts. `tests/test_vqa_metric.py` reads the file.
"""

import json
import random
import sys
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

from evalsuite.tasks.vqa.official import FULL_PRECISION, official_class

from evalsuite.metrics.vqa.normalise import REPAIRED

OUTPUT = Path(__file__).with_name("vqa.json")
SEED = 20_170_426  # the day of the release of VQA v2.0
NUM_ADVERSARIAL = 400
NUM_REAL = 100
ODD_TEXTS = [
    *(
        ". " * 40,
        "." * 40,
        "." * 40 + "5",
        "x" + "." * 33,
        "5.",
        ".5",
        "3.5",
        "...5",
        "1.2.3.",
        ".",
    ),
    *("1,000 a-b", "1,000,000", "a,b", "a, b", "2 ,5", "٢,٣ a-b", "x-ray", "x - ray", "a - b-c"),
    *("-", "--", "what?!", "t-shirt", "yes/no", "(none)", "[a] b", '"quoted" word', "under_score"),
    *("back\\slash", "mail@home", "`tick`", "a<b>c", "1+1=2", "{x}", "semi;colon", "semi; colon"),
    *("5:30", "50%", "$5", "it's", "Im", "Ive", "Id've", "I'dve", "somebody'd", "somebodyd"),
    *("a", "An", "THE", "the the", "a an the", "none", "None", "NONE", "zero", "Ten", "eleven"),
    *("", " ", "\u00a0", "\r\n", "tab\tbed", "line\nend", "\x1cx", "x\u2028y", "İ", "ß", "ñandú"),
    *("🙂", "two🙂", "don't", "don t", "DONT", "y'alld've", "the none", "noneone", "1 one", "-5"),
]
TRAPS: list[dict[str, Any]] = [
    {"trap": "A1 all agree: raw", "answers": ["Two"] * 10, "answer": "two"},
    {"trap": "A1 all agree: raw", "answers": ["two"] * 10, "answer": "2"},
    {
        "trap": "A1 all agree after trimming",
        "answers": ["a cat\n"] * 5 + ["a\tcat"] * 5,
        "answer": "a cat ",
    },
    {"trap": "A1 all agree: article kept", "answers": ["a cat"] * 10, "answer": "cat"},
    {"trap": "A1 they differ: normalised", "answers": ["two"] * 9 + ["Two"], "answer": "2"},
    *(
        {
            "trap": f"A2 {count} of ten",
            "answers": ["cat"] * count + ["dog"] * (10 - count),
            "answer": "cat",
        }
        for count in range(11)
    ),
    {
        "trap": "A2 order",
        "answers": ["dog", "cat", "dog", "dog", "cat"] + ["cow"] * 5,
        "answer": "cat",
    },
    {"trap": "A3 no answer_id", "answers": ["cat"] * 4 + ["dog"] * 6, "answer": "cat", "ids": None},
    {"trap": "A3 no answer_id, all agree", "answers": ["cat"] * 10, "answer": "cat", "ids": None},
    {
        "trap": "A3 twins after normalising",
        "answers": ["A cat", "cat", "the cat", "cat."] + ["dog"] * 6,
        "answer": "cat",
        "ids": None,
    },
    {
        "trap": "A3 ids repeat",
        "answers": ["cat"] * 5 + ["dog"] * 5,
        "answer": "cat",
        "ids": [1, 1, 2, 2, 3, 4, 5, 6, 7, 8],
    },
    {
        "trap": "A3 ids repeat, confidences differ",
        "answers": ["cat"] * 5 + ["dog"] * 5,
        "answer": "cat",
        "ids": [1] * 10,
        "confidences": ["yes", "no", "maybe", "yes", "no"] * 2,
    },
    {
        "trap": "A3 1 is True",
        "answers": ["cat", "cat"] + ["dog"] * 8,
        "answer": "cat",
        "ids": [1, True, 3, 4, 5, 6, 7, 8, 9, 10],
    },
    {"trap": "three humans", "answers": ["cat", "cat", "dog"], "answer": "cat"},
    {"trap": "one human", "answers": ["cat"], "answer": "cat"},
    {"trap": "twelve humans", "answers": ["cat"] * 3 + ["dog"] * 9, "answer": "cat"},
    {
        "trap": "A4 digit comma takes every mark",
        "answers": ["1,000 a-b"] * 4 + ["1000 ab"] * 6,
        "answer": "1000 ab",
    },
    {"trap": "A5 33rd period", "answers": ["." * 40] * 9 + ["." * 8], "answer": "." * 8},
    {"trap": "A5 point before a digit", "answers": [".5"] * 4 + ["5."] * 6, "answer": "5"},
    {"trap": "A6 none is 0", "answers": ["none"] * 5 + ["0"] * 5, "answer": "None"},
    {"trap": "A6 an article is empty", "answers": ["a"] * 5 + ["the"] * 5, "answer": ""},
    {
        "trap": "A6 somebody'd",
        "answers": ["somebody'd"] * 5 + ["somebodyd"] * 5,
        "answer": "somebodyd",
    },
    {"trap": "A6 Im is dead", "answers": ["Im"] * 5 + ["im"] * 5, "answer": "I'm"},
    {"trap": "A7 number words again", "answers": ["one two"] * 5 + ["1 2"] * 5, "answer": "One 2"},
]


def main(checkout: Path, real: Path) -> None:
    """Score every case with the official evaluator and write them down."""
    generator = random.Random(SEED)
    cases = TRAPS + [adversarial_case(generator) for _ in range(NUM_ADVERSARIAL)]
    for number, case in enumerate(cases):
        case["question_type"] = f"what {number % 7}"
        case["answer_type"] = ("yes/no", "number", "other")[number % 3]
    annotations = [annotation(number, case) for number, case in enumerate(cases)]
    said = {number: case["answer"] for number, case in enumerate(cases)}
    evaluator = official(checkout, annotations, said)
    texts = ODD_TEXTS + sorted(REPAIRED) + [adversarial_text(generator) for _ in range(300)]
    verdicts = {
        "made_with": "github.com/GT-Vision-Lab/VQA @a013f00",
        # sum() of floats is exact to one more bit since 3.12: last digits are the interpreter's.
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "overall": evaluator.accuracy["overall"],
        "per_answer_type": evaluator.accuracy["perAnswerType"],
        "per_question_type": evaluator.accuracy["perQuestionType"],
        "real": {
            subset: real_verdicts(checkout, real, subset) for subset in ("train2014", "val2014")
        },
        "normalised": [
            [text, evaluator.processDigitArticle(evaluator.processPunctuation(text))]
            for text in texts
        ],
        "cases": [
            {**case, "accuracy": evaluator.evalQA[number]} for number, case in enumerate(cases)
        ],
    }
    OUTPUT.write_text(layout(verdicts))


def annotation(number: int, case: dict[str, Any]) -> dict[str, Any]:
    """Return the official annotation record of a case; `ids` None leaves `answer_id` out."""
    humans = range(1, len(case["answers"]) + 1)
    ids = case.get("ids", list(humans))
    confidences = case.get("confidences", ["yes"] * len(humans))
    records = [
        {"answer": answer, "answer_confidence": confidence}
        for answer, confidence in zip(case["answers"], confidences, strict=True)
    ]
    if ids is not None:
        records = [{**one, "answer_id": name} for one, name in zip(records, ids, strict=True)]
    return {
        "question_id": number,
        "image_id": number // 3,
        "question_type": case["question_type"],
        "answer_type": case["answer_type"],
        "multiple_choice_answer": case["answers"][0],
        "answers": records,
    }


def real_verdicts(checkout: Path, real: Path, subset: str) -> dict[str, Any]:
    """Return what the official evaluator says of real records and made-up predictions."""
    path = real / f"v2_mscoco_{subset}_annotations.json"
    annotations = json.loads(path.read_text())["annotations"][:NUM_REAL]
    said = real_predictions(annotations)
    evaluator = official(checkout, annotations, said)
    return {**evaluator.accuracy, "questions": [evaluator.evalQA[number] for number in said]}


def real_predictions(annotations: list[dict[str, Any]]) -> dict[int, str]:
    """Return a prediction for each record: what one of its humans said, or of the next one's."""
    said = {}
    for row, record in enumerate(annotations):
        source = annotations[(row + (row % 4 == 0)) % len(annotations)]
        answer = source["answers"][7 * row % 10]["answer"]
        said[record["question_id"]] = (answer, f"the {answer}.", answer.upper())[row % 3]
    return said


def official(checkout: Path, annotations: list[dict[str, Any]], said: dict[int, str]) -> Any:
    """Return the official evaluator after it scored the predictions, without rounding."""
    annotations = deepcopy(annotations)  # it normalises them in place
    with redirect_stdout(StringIO()):
        vqa = official_class(checkout, "VQA")()
        vqa.dataset = {"annotations": annotations}
        vqa.questions = {"questions": []}
        vqa.createIndex()
        results = official_class(checkout, "VQA")()
        results.qa = {number: {"answer": answer} for number, answer in said.items()}
        evaluator = official_class(checkout, "VQAEval")(vqa, results, n=FULL_PRECISION)
        evaluator.evaluate()
    return evaluator


def adversarial_case(generator: random.Random) -> dict[str, Any]:
    """Return humans who say a few things in many ways, and a prediction in one more."""
    meant = [adversarial_text(generator) for _ in range(generator.choice((2, 3, 4, 5, 6)))]
    said = [decorated(generator, generator.choice(meant)) for _ in range(10)]
    return {"answers": said, "answer": decorated(generator, generator.choice(meant))}


def adversarial_text(generator: random.Random) -> str:
    """Return a few words with marks, numbers, articles and broken contractions between them."""
    pieces = [
        *";/[]\"{}()=+\\_-><@`,?!.:'%$",
        "a",
        "the",
        "cat",
        "none",
        "two",
        "1",
        "1,0",
        ".5",
        "5.",
    ]
    pieces += [
        "dont",
        "somebody'd",
        "y'allll",
        "İ",
        "\u00a0",
        "٣,٤",
        "Ten",
        "Im",
        "é",
        "x.y",
        "..",
        "",
    ]
    chosen = [
        generator.choice(pieces) + generator.choice(("", " ", " "))
        for _ in range(generator.randint(1, 5))
    ]
    return "".join(chosen)


def decorated(generator: random.Random, text: str) -> str:
    """Return the text in a way that may or may not count as the same."""
    forms = ["{}", "{}", "{}", " {} ", "the {}", "{}.", "{}!", "{}\n", "\t{}", "{} ?"]
    changed = generator.choice((str, str, str, str.upper, str.title))(text)
    return generator.choice(forms).format(changed)


def layout(verdicts: dict[str, Any]) -> str:
    """Return JSON with one case a line."""
    parts = []
    for key, value in verdicts.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(one) for one in value) + "\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
