"""Terminal output of data that others wrote: shown as it is, never interpreted; and quiet ends of broken pipes."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unicodedata import category

from rich.console import Console
from rich.text import Text

BROKEN_PIPE = 141
"""The exit code of a program that wrote to a closed pipe, as shells report it: 128 + SIGPIPE."""
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control and format characters, surrogates, line and paragraph separators: they move the cursor or reorder text."""


def visible(text: str, *, keep: str = "") -> str:
    """The text with every control character written as an escape such as `\\x1b`, except those to `keep`."""
    if text.isprintable():
        return text
    return "".join(one if one in keep or category(one) not in INVISIBLE else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class DataConsole(Console):
    """Prints strings as they are: no markup, no emoji codes, no escape sequences. Lines may be broken."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string that is printed, in a table too, comes through here."""
        return super().render_str(visible(text, keep="\n\t"), **options)


@contextmanager
def quiet_pipes() -> Iterator[None]:
    """Ends the program without a traceback if the reader of its output has gone, as that of `| head -1` does."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_stdout_broken():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        sys.exit(BROKEN_PIPE)


def _is_stdout_broken() -> bool:
    """Whether it was standard output that broke, and not a connection to a server."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
