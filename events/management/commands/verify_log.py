"""`manage.py verify_log`: checks that every aggregate's row equals the fold of its stream. Safe on a live system."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from desk import terminal
from events.log.verify import BATCH, aggregates, differences


class Command(terminal.Command):
    help = "Compares every aggregate's row with the fold of its stream. Lists differences and fails if it finds any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help="rows held in memory at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for sentence in differences(options["batch"]):
            self.stdout.write(sentence)
            found += 1
        if found:
            raise CommandError(f"{found} differences between the rows and the log. The log is right: correct the rows.")
        names = ", ".join(model.__name__ for model in aggregates())
        self.stdout.write(f"Every row equals the fold of its stream: {names}.")
