"""What is written for the user: the one error, and the one kind of warning."""


class UserError(ValueError):
    """Something that the user can mend: it says what was found, what was expected and what to do.

    The command line prints it as one line and exits with status 2; any other exception is our bug.
    """


class Remark(UserWarning):
    """Something that a reader of the result must know; the command line prints it as one line."""
