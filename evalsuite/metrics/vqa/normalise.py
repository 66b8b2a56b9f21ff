"""The official normalisation of VQA answers, quirks included.

Source: github.com/GT-Vision-Lab/VQA PythonEvaluationTools/vqaEvaluation/vqaEval.py @a013f00.
"""

import re

# ':' "'" '%' '$' '.' are not in the official list, and stay.
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBER_WORDS = {"none": "0"} | {word: str(number) for number, word in enumerate(DIGITS)}
ARTICLES = frozenset(("a", "an", "the"))

# A word that lacks exactly one of these apostrophes gets it back. The official table also has
# "Im", "Ive" and "Id've", which nothing can match: words are lower-cased before.
CONTRACTIONS = """
'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't
hadn't've hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am
might've mightn't mightn't've must've mustn't needn't not've o'clock oughtn't shan't she'd've
should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've
someone'll someone's something'd something'd've something'll that's there'd there'd've there're
there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're
why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're
you've
"""

# Meant as "not between digits"; the official "(?!<=" is a typo for "(?<!", so that only "not
# before a digit" acts: "5." loses its point and ".5" keeps it.
PERIOD = re.compile(r"\.(?!\d)")
# re.UNICODE stands in the place of the count in the official call: the 33rd period survives.
MAX_PERIODS = int(re.UNICODE)
DIGIT_COMMA = re.compile(r"\d,\d")
ANY_PUNCTUATION = re.compile(f"[{re.escape(PUNCTUATION)}]")


def trimmed(answer: str) -> str:
    """Return the answer as it is compared when all ten humans agree: white space alone is cut."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


def normalised(answer: str) -> str:
    """Return a trimmed answer as it is compared when the ten humans disagree.

    In the official order: punctuation, periods, lower case, number words, articles, contractions.
    """
    text = _without_punctuation(answer) if ANY_PUNCTUATION.search(answer) else answer
    if "." in text:
        text = PERIOD.sub("", text, count=MAX_PERIODS)
    words = (NUMBER_WORDS.get(word, word) for word in text.lower().split())
    return " ".join(REPAIRED.get(word, word) for word in words if word not in ARTICLES)


def _without_punctuation(answer: str) -> str:
    """Return the answer with each mark removed, or made a space where it joins two words.

    What happens to a mark is decided on the whole answer: beside a space anywhere, it goes
    everywhere, and one comma between digits makes every mark go.
    """
    has_number = DIGIT_COMMA.search(answer) is not None
    text = answer
    for mark in PUNCTUATION:
        if mark in answer:
            is_loose = has_number or mark + " " in answer or " " + mark in answer
            text = text.replace(mark, "" if is_loose else " ")
    return text


def _repairs() -> dict[str, str]:
    """Return the contraction of every word that lacks one apostrophe."""
    repairs = {
        word[:place] + word[place + 1 :]: word
        for word in CONTRACTIONS.split()
        for place, letter in enumerate(word)
        if letter == "'"
    }
    return repairs | {"somebody'd": "somebodyd"}  # the wrong way round in the official table


REPAIRED = _repairs()
