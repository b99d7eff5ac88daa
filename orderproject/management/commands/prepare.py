from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "What the stack needs before it starts: the schema and the catalogue. Safe to repeat."
    # Loading the project takes longer than both together: one process instead of two.

    def handle(self, *_args: Any, verbosity: int = 1, **_options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=verbosity)
        call_command("seed", verbosity=verbosity)
