"""`manage.py catalogue`: writes docs/catalogue.md; with `--check` it only verifies that the file is up to date."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from desk import terminal
from events.catalogue.markdown import catalogue


def _default_file() -> Path:
    folder = getattr(settings, "BASE_DIR", None) or Path.cwd()
    return Path(folder) / "docs" / "catalogue.md"


class Command(terminal.Command):
    help = "Generates the catalogue of all events from their declarations."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, default=_default_file())
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        text = catalogue()
        if not options["check"]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            raise CommandError(f"{file} is out of date: run manage.py catalogue")
