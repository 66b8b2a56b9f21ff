"""What VQAv2 gives away without an image: priors learnt from the training answers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from evalsuite.contracts.benchmark import Sample
from evalsuite.kinds.answering.vocabulary import SCORES


class Prior(NamedTuple):
    """The training answer of the highest summed accuracy, for each group of questions."""

    by_question: Mapping[str, str]
    by_type: Mapping[str, str]
    overall: str

    def per_type(self, question_type: str) -> str:
        """Return the best answer to a question type."""
        return self.by_type.get(question_type, self.overall)

    def question_only(self, question: str, question_type: str) -> str:
        """Return the best answer to the very same question, else to its type."""
        return self.by_question.get(asked(question), self.per_type(question_type))


def learn_prior(samples: Iterable[Sample]) -> Prior:
    """Return the prior of training samples; ties go to the answer that came first."""
    by_question: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_type: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        gains = {
            answer: SCORES[min(count, len(SCORES) - 1)]
            for answer, count in Counter(sample.target["answers"]).items()
        }
        for group in (by_question[asked(sample.text)], by_type[sample.target["question_type"]]):
            for answer, gain in gains.items():
                group[answer] += gain  # type: ignore[assignment]
    overall: Counter[str] = Counter()
    for group in by_type.values():
        overall.update(group)
    return Prior(
        by_question={question: _best(group) for question, group in by_question.items()},
        by_type={question_type: _best(group) for question_type, group in by_type.items()},
        overall=_best(overall),
    )


def asked(question: str) -> str:
    """Return a question without what does not change it: case and white space."""
    return " ".join(question.lower().split())


def _best(group: Mapping[str, float]) -> str:
    return max(group, key=group.__getitem__, default="")
