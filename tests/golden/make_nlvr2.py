"""Writes nlvr2.json: predictions as the official NLVR2 scripts score them.

    python tests/golden/make_nlvr2.py CHECKOUT DEV

CHECKOUT is a clone of github.com/lil-lab/nlvr (made with @1892484), DEV the real dev.json; nothing
of either is kept but the verdicts. `tests/test_nlvr2_metric.py` reads the file.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from evalsuite.tasks.nlvr2.official import official_metrics

OUTPUT = Path(__file__).with_name("nlvr2.json")
SEED = 1811_00491  # the paper's number
FILTERED = "nlvr2/eval/compute_filtered_accuracy.py"


def main(checkout: Path, dev: Path) -> None:
    """Score every case with the official scripts and write them down."""
    generator = random.Random(SEED)
    right = ["True", "False", "True", "False", "True"]
    names = ["dev-1-0-0", "dev-1-1-0", "dev-1-2-0", "dev-1-0-1", "dev-2-0-0"]
    plain = list(zip(names, right, strict=True))
    cases: list[dict[str, Any]] = [
        {"case": "all right", "examples": plain, "predictions": plain},
        {
            "case": "case does not matter",
            "examples": plain,
            "predictions": [(name, label.lower()) for name, label in plain],
        },
        {
            "case": "all wrong",
            "examples": plain,
            "predictions": [
                (name, "False" if label == "True" else "True") for name, label in plain
            ],
        },
        {
            "case": "one pair of three wrong: its sentence is inconsistent",
            "examples": plain,
            "predictions": [
                ("dev-1-1-0", "True"),
                *(one for one in plain if one[0] != "dev-1-1-0"),
            ],
        },
        {
            "case": "the two sentences of a pair are apart",
            "examples": plain,
            "predictions": [
                ("dev-1-0-1", "True"),
                *(one for one in plain if one[0] != "dev-1-0-1"),
            ],
        },
        {
            "case": "extra predictions are ignored",
            "examples": plain,
            "predictions": [*plain, ("dev-9-0-0", "True"), ("train-1-0-0", "no label")],
        },
        {
            "case": "of duplicates the last wins",
            "examples": plain,
            "predictions": [("dev-1-0-0", "False"), *plain, ("dev-2-0-0", "False")],
        },
        {
            "case": "another word is wrong",
            "examples": plain,
            "predictions": [*plain[:-1], ("dev-2-0-0", "maybe")],
        },
        {
            "case": "a space before the label is wrong",
            "examples": plain,
            "predictions": [*plain[:-1], ("dev-2-0-0", " True")],
        },
    ]
    cases += [drawn_case(generator, number) for number in range(20)]
    verdicts = [{**case, **official(checkout, case)} for case in cases]
    lines = ",\n".join(json.dumps(verdict) for verdict in verdicts)
    records = [json.loads(line) for line in dev.read_text().splitlines()]
    examples = [(record["identifier"], record["label"]) for record in records]
    real = {"examples": examples, "predictions": list(real_predictions(examples).items())}
    heading = {
        "made_with": "github.com/lil-lab/nlvr @1892484",
        "real_dev": official(checkout, real),
    }
    OUTPUT.write_text(f'{json.dumps(heading)[:-1]},\n"cases": [\n{lines}\n]\n}}\n')


def real_predictions(examples: list[tuple[str, str]]) -> dict[str, str]:
    """Return the labels with every seventh one flipped."""
    flipped = {"True": "False", "False": "True"}
    return {
        name: flipped[label] if row % 7 == 0 else label
        for row, (name, label) in enumerate(examples)
    }


def drawn_case(generator: random.Random, number: int) -> dict[str, Any]:
    """Return sentences about up to four pairs each, and predictions that are mostly right."""
    names = [
        f"dev-{group}-{pair}-{sentence}"
        for group in range(6)
        for sentence in range(2)
        for pair in range(4)
        if generator.random() < 0.8
    ]
    examples = [(name, generator.choice(("True", "False"))) for name in names]
    flipped = {"True": "False", "False": "True"}
    predictions = [
        (name, label if generator.random() < 0.8 else flipped[label]) for name, label in examples
    ]
    generator.shuffle(predictions)
    return {"case": f"drawn {number}", "examples": examples, "predictions": predictions}


def official(checkout: Path, case: dict[str, Any]) -> dict[str, float | None]:
    """Return what the official scripts print: shares from 0 to 1, `filtered` in percent."""
    with tempfile.TemporaryDirectory() as folder:
        predictions, examples = Path(folder) / "predictions.csv", Path(folder) / "dev.json"
        predictions.write_text("".join(f"{name},{label}\n" for name, label in case["predictions"]))
        lines = [
            json.dumps({"identifier": name, "label": label}) for name, label in case["examples"]
        ]
        examples.write_text("\n".join(lines) + "\n")
        command = [sys.executable, str(checkout / FILTERED), str(predictions), str(examples)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return {**official_metrics(checkout, predictions, examples), "filtered": float(printed[-1])}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
