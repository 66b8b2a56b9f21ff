"""The one error that is written for the user."""


class UserError(ValueError):
    """Something that the user can mend: it says what was found, what was expected and what to do.

    The command line prints it as one line and exits with status 2; any other exception is our bug.
    """
