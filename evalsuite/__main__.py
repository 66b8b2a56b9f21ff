"""The door: what the command `evalsuite` calls."""

from evalsuite.cli.app import app
from evalsuite.cli.faults import told

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; a person's mistake is one line and exit status 2."""
    with told():
        app()


if __name__ == "__main__":
    main()
