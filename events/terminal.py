"""What the command line has in common where a person repairs something."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from rich.console import Console


def actor() -> str:
    """The account that runs the command, for the audit."""
    try:
        return f"shell:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as containers have them
        return "shell:unknown"


def console(stdout: OutputWrapper) -> Console:
    """Plain text; into a file or a pipe, lines are as wide as they want to be."""
    file: Any = stdout
    return Console(file=file, highlight=False, markup=False, soft_wrap=True, width=None if stdout.isatty() else 250)


def add_yes(parser: CommandParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def ask(question: str, *, yes: bool) -> None:
    """Raises CommandError for anything but a yes."""
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was done.")
