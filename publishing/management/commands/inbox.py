"""`manage.py inbox`: receives events of other systems, and says what could not be read."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from desk import terminal
from desk.terminal import actor, add_yes, ask, console
from events import Refused
from events.delivery.failures import summary_of
from publishing.inbox import receiver, repair
from publishing.models import Inbox

NOTHING = (
    "Nothing to receive: set INBOX_KAFKA_TOPICS with INBOX_KAFKA_BOOTSTRAP_SERVERS, or INBOX_RABBITMQ_QUEUES with"
    " INBOX_RABBITMQ_URL."
)
SHOWN = 200


class Command(terminal.Command):
    help = "Receives events of other systems from Kafka topics and RabbitMQ queues."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        creating = actions.add_parser("create", help="create missing topics and queues")
        creating.add_argument("--dry-run", action="store_true", help="only say what is missing")
        running = actions.add_parser("run", help="receive until SIGTERM or SIGINT")
        running.add_argument("broker", nargs="?", help="only from this one; without it, from all that are configured")
        actions.add_parser("status", help="what has come from each source, and the last error")
        actions.add_parser("unreadable", help="list messages that could not be received, and why")
        for name, text in (("retry", "read messages again"), ("discard", "never receive messages")):
            repairing = actions.add_parser(name, help=text)
            repairing.add_argument("ids", nargs="+", metavar="id", help="of an unreadable message, or all")
            repairing.add_argument("--reason", default="")
            add_yes(repairing)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            getattr(self, f"_{options['action']}")(options)
        except Refused as error:
            raise CommandError(error.detail) from error

    def _configured(self, only: str | None = None) -> list[str]:
        names = [one for one in receiver.configured() if only in {None, one}]
        if not names:
            raise CommandError(NOTHING)
        return names

    def _create(self, options: dict[str, Any]) -> None:
        for name in self._configured():
            try:
                said = receiver.create(name, dry_run=options["dry_run"])
            except Exception as error:
                raise CommandError(f"{name} cannot be reached: {summary_of(error)}") from error
            for sentence in said or ["Everything is there."]:
                self.console.print(f"{name}: {sentence}")

    def _run(self, options: dict[str, Any]) -> None:
        names = self._configured(options["broker"])
        stopping = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopping.set())
        if not receiver.run(names, stopping):
            raise CommandError("A receiver was stopped by an unexpected error. See the log.")

    def _status(self, options: dict[str, Any]) -> None:
        table = Table("source", "broker", "received", "repeated", "skipped", "unreadable", "last", "error", box=None)
        for one in Inbox.objects.all():
            counts = (one.received, one.repeated, one.skipped, one.unreadable)
            last = f"{one.moved_at:%Y-%m-%d %H:%M:%S}" if one.moved_at else "never"
            table.add_row(one.source, one.broker, *map(str, counts), last, one.error[:SHOWN])
        self.console.print(table)
        if waiting := repair.waiting().count():
            self.console.print(f"{waiting} unreadable messages wait: run `manage.py inbox unreadable`.")

    def _unreadable(self, options: dict[str, Any]) -> None:
        table = Table("id", "source", "place", "partition", "offset", "reason", "error", box=None)
        for one in repair.waiting().order_by("id"):
            at = ("" if one.partition is None else str(one.partition), "" if one.offset is None else str(one.offset))
            table.add_row(str(one.id), one.source, one.place, *at, one.reason, one.error[:SHOWN])
        self.console.print(table)

    def _retry(self, options: dict[str, Any]) -> None:
        ids = self._chosen(options, "Read")
        self.console.print(str(repair.retry(ids, actor=actor())))

    def _discard(self, options: dict[str, Any]) -> None:
        if not options["reason"].strip():
            raise CommandError("Give a reason with --reason: a discarded message is never received.")
        ids = self._chosen(options, "Discard")
        self.console.print(f"{repair.discard(ids, actor=actor(), reason=options['reason'])} discarded.")

    def _chosen(self, options: dict[str, Any], verb: str) -> list[int]:
        found = repair.waiting()
        if options["ids"] != ["all"]:
            found = found.filter(id__in=_numbers(options["ids"]))
        ids = list(found.order_by("id").values_list("id", flat=True))
        ask(f"{verb} {len(ids)} unreadable messages?", yes=options["yes"])
        return ids


def _numbers(texts: list[str]) -> list[int]:
    if not all(text.isdecimal() for text in texts):
        raise CommandError("Give the ids that `manage.py inbox unreadable` lists, or all.")
    return [int(text) for text in texts if len(text) < 19]
