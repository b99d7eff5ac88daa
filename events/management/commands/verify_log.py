"""`manage.py verify_log`: whether every row is what its stream makes of it. Safe on a running system."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events.verify import BATCH, aggregates, differences


class Command(BaseCommand):
    help = "Compares every aggregate's row with the fold of its stream; lists the differences and then fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help="rows in memory at once")

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for sentence in differences(options["batch"]):
            self.stdout.write(sentence)
            found += 1
        if found:
            raise CommandError(f"{found} differences between the rows and the log")
        names = ", ".join(model.__name__ for model in aggregates())
        self.stdout.write(f"Every row is what its stream makes of it: {names}.")
