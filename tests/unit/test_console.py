"""What others wrote is shown as it is, and a reader that goes away ends a command quietly."""

import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import get_commands, load_command_class
from rich.table import Table

from desk.console import BROKEN_PIPE, DataConsole, visible
from desk.terminal import Command

OURS = ("events", "sagas", "orderproject")
NASTY = "[red]Mug[/] :bomb: \x1b]0;owned\x07\x1b[31m \u202eeman\x9b2J"
SHOWN = r"[red]Mug[/] :bomb: \x1b]0;owned\x07\x1b[31m \u202eeman\x9b2J"
TALKS = """
from django.conf import settings
settings.configure()
from desk.terminal import Command

class Talks(Command):
    requires_system_checks = ()
    def handle(self, **options):
        for number in range({lines}):
            self.stdout.write(f"line {{number}}")

Talks().run_from_argv(["manage.py", "talks"])
"""


def printed(something: object) -> str:
    output = StringIO()
    DataConsole(file=output, width=200, force_terminal=True, color_system="truecolor").print(something)
    return output.getvalue()


def test_a_name_is_printed_and_not_interpreted():
    assert printed(NASTY) == f"{SHOWN}\n"


def test_nor_is_it_in_a_table():
    table = Table(box=None)
    table.add_column("name")
    table.add_row(NASTY)
    assert SHOWN in printed(table)
    assert "\x1b]" not in printed(table)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb\tc", r"a\nb\tc"), ("Grüße 茶 👍", "Grüße 茶 👍"), ("\ud800", r"\ud800"), ("\u2028", r"\u2028"), ("", "")],
)
def test_a_line_stays_one_line(text: str, shown: str):
    assert visible(text) == shown


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_goes_away_ends_a_command_quietly(lines: int, unbuffered: str):
    """With one line and a buffer, the pipe breaks only when Python flushes at its end."""
    program = subprocess.Popen(
        [sys.executable, "-c", TALKS.format(lines=lines)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    assert program.stderr.read() == b""
    assert program.wait() == BROKEN_PIPE


@pytest.mark.parametrize("name", sorted(name for name, app in get_commands().items() if app in OURS))
def test_every_command_of_ours_ends_so(name: str):
    assert isinstance(load_command_class(get_commands()[name], name), Command)
