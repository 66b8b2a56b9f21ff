"""What is written for the user: the one error, and the one kind of warning; each is one line."""

from collections.abc import Iterable


def one_line(text: str) -> str:
    """Return a text as a terminal can show it: breaks are blanks, control characters numbers.

    Messages name files and quote from them, and both may hold anything.
    """
    return "".join(
        one if one.isprintable() else " " if one.isspace() else ascii(one)[1:-1] for one in text
    )


class UserError(ValueError):
    """Something that the user can fix: it says what was found, what was expected and what to do.

    The command line prints it as one line and exits with status 2; any other exception is our bug.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def refuse_unknown_split(title: str, split: str, splits: Iterable[str]) -> None:
    """Do nothing where a benchmark of this title has the split.

    Raises:
        UserError: it has not; the message lists the splits that there are.
    """
    there = list(splits)
    if split not in there:
        raise UserError(f"{title} has no split {split!r}; there are {', '.join(there)}")


class Remark(UserWarning):
    """Something that a reader of the result must know; the command line prints it as one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
