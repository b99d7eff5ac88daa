"""`manage.py deadmessages`: lists dead messages, sends them again or discards them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Min, QuerySet
from rich.table import Table

from desk import terminal
from desk.json_text import pretty
from desk.terminal import actor, add_yes, ask, console
from events.delivery.broker import AWAY
from events.errors import Refused
from events.models import DeadMessage, DeadReason
from events.worker.dead_messages import discard, retry, waiting


class Command(terminal.Command):
    help = "Lists waiting dead messages, sends them again or discards them. Every change is recorded in the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="list dead messages, newest first")
        listing.add_argument("--limit", type=int, default=50)
        _add_choice(listing)
        actions.add_parser("groups", help="count dead messages by reason, queue and task")
        actions.add_parser("show", help="show one with its headers and body").add_argument("id", type=int)
        for name, text in (("retry", "send again unchanged"), ("discard", "never send again")):
            working = actions.add_parser(name, help=text)
            working.add_argument("ids", nargs="*", type=int, metavar="id")
            _add_choice(working)
            working.add_argument("--dry-run", action="store_true")
            if name == "discard":
                working.add_argument("--reason", default="")
            add_yes(working)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            getattr(self, f"_{options['action']}")(options)
        except Refused as error:
            raise CommandError(error.detail) from error
        except AWAY as error:
            raise CommandError(f"The broker is unreachable. Try again later: {error}") from error

    def _list(self, options: dict[str, Any]) -> None:
        table = Table("id", "received", "kind", "queue", "task", "error", box=None)
        for one in _chosen(options)[: options["limit"]]:
            received = f"{one.received_at:%Y-%m-%d %H:%M:%S}"
            table.add_row(str(one.id), received, one.reason, one.queue, one.task, one.error[:100])
        self.console.print(table)

    def _groups(self, options: dict[str, Any]) -> None:
        table = Table("waiting", "oldest", "kind", "queue", "task", box=None)
        counted = waiting().order_by().values("reason", "queue", "task")
        for row in counted.annotate(n=Count("id"), oldest=Min("received_at")).order_by("-n"):
            table.add_row(str(row["n"]), f"{row['oldest']:%m-%d %H:%M:%S}", row["reason"], row["queue"], row["task"])
        self.console.print(table)

    def _show(self, options: dict[str, Any]) -> None:
        one = DeadMessage.objects.filter(id=options["id"]).first()
        if one is None:
            raise CommandError(f"There is no dead message {options['id']}.")
        self.console.print(f"{one}: {one.task} {one.error}".rstrip())
        self.console.print(pretty(json.loads(one.headers)))
        self.console.print(bytes(one.body).decode(errors="backslashreplace"))

    def _retry(self, options: dict[str, Any]) -> None:
        if ids := self._asked("Send {} dead messages again?", options):
            self.console.print(f"{retry(ids, actor=actor())} dead messages were sent again.")

    def _discard(self, options: dict[str, Any]) -> None:
        if not (options["reason"].strip() or options["dry_run"]):
            raise CommandError("Give a reason with --reason: discarded messages are never sent again.")
        if ids := self._asked("Discard {} dead messages?", options):
            discarded = discard(ids, actor=actor(), reason=options["reason"])
            self.console.print(f"{discarded} dead messages are discarded.")

    def _asked(self, question: str, options: dict[str, Any]) -> Sequence[int]:
        if bool(options["ids"]) == any(options[name] for name in ("kind", "queue", "task")):
            raise CommandError("Name either ids, or at least one of --kind, --queue and --task.")
        ids = list(_chosen(options).values_list("id", flat=True))
        if options["dry_run"] or not ids:
            self.console.print(f"{len(ids)} dead messages match ({options['action']}); nothing was changed.")
            return []
        ask(question.format(len(ids)), yes=options["yes"])
        return ids


def _add_choice(parser: CommandParser) -> None:
    parser.add_argument("--kind", choices=list(map(str, DeadReason)))
    parser.add_argument("--queue")
    parser.add_argument("--task")


def _chosen(options: dict[str, Any]) -> QuerySet[DeadMessage]:
    wanted = {"reason": options["kind"], "queue": options["queue"], "task": options["task"]}
    chosen = waiting().filter(**{name: value for name, value in wanted.items() if value})
    return chosen.filter(id__in=options["ids"]) if options.get("ids") else chosen
