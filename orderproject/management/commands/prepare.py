from typing import Any

from django.core.management import call_command

from desk import terminal


class Command(terminal.Command):
    help = "Prepares the database for the stack: migrates the schema and seeds the catalogue. Safe to repeat."
    # One command instead of two, because loading the project takes longer than both steps together.

    def handle(self, *_args: Any, verbosity: int = 1, **_options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=verbosity)
        call_command("seed", verbosity=verbosity)
