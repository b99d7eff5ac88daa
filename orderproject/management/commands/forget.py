"""`manage.py forget`: erases all personal data of a customer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from desk import terminal
from desk.terminal import actor, add_yes, ask, console
from orderproject.accounts.forgetting import Forgotten, StillOpen, forget
from orderproject.models import User


class Command(terminal.Command):
    help = "Erases all personal data of a customer. Orders, money and the event log stay. It cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("customer", help="the id or the user name")
        parser.add_argument("--reason", required=True, help="for the audit, where it stays: do not name the customer")
        parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and change nothing")
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        user = _user(options["customer"])
        try:
            self._show(forget(user.pk, actor=actor(), reason=options["reason"], dry_run=True))
            if not options["dry_run"]:
                ask(f"Erase this irrevocably, and close the account {user.username}?", yes=options["yes"])
                forget(user.pk, actor=actor(), reason=options["reason"])
                self.stdout.write("Forgotten.")
        except StillOpen as error:
            raise CommandError(str(error)) from error

    def _show(self, found: Forgotten) -> None:
        table = Table("what", "how many", box=None)
        for what, count in found.erased.items():
            table.add_row(what, str(count))
        console(self.stdout).print(table)


def _user(text: str) -> User:
    try:
        found = User.objects.filter(pk=UUID(text)).first()
    except ValueError:
        found = User.objects.filter(username=text).first()
    if found is None:
        raise CommandError(f"There is no user {text!r}. Name one by id or by user name.")
    return found
