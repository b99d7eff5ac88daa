import sys
from contextlib import suppress


def say(line: str = "") -> None:
    """To whoever watches; a terminal that was closed is no reason to fail."""
    with suppress(OSError):
        print(line, flush=True)


def complain(line: str) -> None:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
