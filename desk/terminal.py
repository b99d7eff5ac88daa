"""What management commands share: a base class, a console, and helpers of those that operators use for repairs."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from desk.console import DataConsole, quiet_pipes


class Command(BaseCommand):
    """The base of the project's commands. It ends quietly if the reader of its output goes away (`… | head -1`)."""

    def run_from_argv(self, argv: list[str]) -> None:
        with quiet_pipes():
            super().run_from_argv(argv)


def actor() -> str:
    """The account that runs the command, as the audit log names it."""
    try:
        return f"shell:{getpass.getuser()}"
    except (KeyError, OSError):  # in containers, an account may have no name
        return "shell:unknown"


def console(stdout: OutputWrapper) -> DataConsole:
    """A console for plain text. In a file or a pipe, lines are not wrapped."""
    file: Any = stdout
    return DataConsole(file=file, soft_wrap=True, width=None if stdout.isatty() else 250)


def add_yes(parser: CommandParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def ask(question: str, *, yes: bool) -> None:
    """Asks for confirmation unless `yes`. Raises CommandError for any answer but yes."""
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was done.")
