import sys
from contextlib import suppress


def say(line: str = "") -> None:
    """Prints a line. Ignores errors, because the terminal can be closed."""
    with suppress(OSError):
        print(line, flush=True)


def print_error(line: str) -> None:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
