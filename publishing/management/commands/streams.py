"""`manage.py streams`: creates topics and exchange, starts publishers, publishes, and says how far they are."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from desk import terminal
from desk.terminal import actor, add_yes, ask, console
from events import Refused
from events.delivery.failures import summary_of
from events.metrics import process
from publishing import selectors, services
from publishing.engine import brokers, runner
from publishing.models import Cursor, HeldStream

LOOK_EVERY = 0.5


class Command(terminal.Command):
    help = "Publishes the log to RabbitMQ and Kafka, for consumers outside."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        creating = actions.add_parser("create", help="create the exchange and the topics, and say what differs")
        creating.add_argument("--dry-run", action="store_true", help="only say what is missing or differs")
        starting = actions.add_parser("start", help="start a publisher, or publish a part of the log again beside it")
        starting.add_argument("publisher", choices=["kafka", "rabbitmq"])
        starting.add_argument("--since", type=_since, help="a position or a time (RFC 3339); without it, from now on")
        starting.add_argument("--dry-run", action="store_true", help="only count the events")
        starting.add_argument("--follow", action="store_true", help="show the progress until it has caught up")
        starting.add_argument("--reason", default="")
        add_yes(starting)
        stopping = actions.add_parser("stop", help="stop a backfill")
        stopping.add_argument("publisher", choices=["kafka", "rabbitmq"])
        stopping.add_argument("--reason", default="")
        running = actions.add_parser("run", help="publish until SIGTERM or SIGINT")
        running.add_argument("publisher", nargs="?", help="only this one; without it, all that have an address")
        actions.add_parser("status", help="position, lag and last error of each publisher and slot")
        actions.add_parser("held", help="list held streams, and why they are held")
        for name, text in (("retry", "try held streams again"), ("skip", "never publish the refused event")):
            repairing = actions.add_parser(name, help=text)
            repairing.add_argument("publisher", choices=["kafka", "rabbitmq"])
            repairing.add_argument("streams", nargs="+", metavar="stream", help="<kind>:<id>, or all")
            repairing.add_argument("--reason", default="")
            add_yes(repairing)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            getattr(self, f"_{options['action']}")(options)
        except Refused as error:
            raise CommandError(error.detail) from error

    def _create(self, options: dict[str, Any]) -> None:
        names = brokers.configured()
        if not names:
            raise CommandError("No broker has an address: set STREAMS_KAFKA_BOOTSTRAP_SERVERS or STREAMS_RABBITMQ_URL.")
        for name in names:
            try:
                said = brokers.create(name, dry_run=options["dry_run"])
            except Exception as error:
                raise CommandError(f"{name} cannot be reached: {summary_of(error)}") from error
            for sentence in said or ["Everything is there."]:
                self.console.print(f"{name}: {sentence}")

    def _start(self, options: dict[str, Any]) -> None:
        plan = services.plan_start(options["publisher"], options["since"])
        again, then = (" again, beside what is new,", "") if plan.backfill else ("", ", then go on")
        self.console.print(f"{plan.publisher}: publish{again} {plan.events} events{then}.")
        if plan.never:
            self.console.print(f"{plan.never} of them were never published: consumers get them after newer ones.")
        if options["dry_run"]:
            return
        ask("Start?", yes=options["yes"])
        services.start(plan, actor=actor(), reason=options["reason"])
        if options["follow"]:
            self._follow(plan)

    def _follow(self, plan: services.Start) -> None:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(plan.publisher, total=max(plan.until - plan.after, 1))
            while True:
                cursors = list(Cursor.objects.filter(publisher=plan.publisher, backfill=plan.backfill))
                reached = min((one.position for one in cursors), default=plan.until)
                bar.update(task, completed=reached - plan.after)
                if reached >= plan.until:
                    break
                time.sleep(LOOK_EVERY)
        self.console.print("Done.")

    def _stop(self, options: dict[str, Any]) -> None:
        services.stop_backfill(options["publisher"], actor=actor(), reason=options["reason"])
        self.console.print("Stopped.")

    def _run(self, options: dict[str, Any]) -> None:
        names = [one for one in brokers.configured() if options["publisher"] in {None, one}]
        if not names:
            raise CommandError("Nothing to publish to: set STREAMS_KAFKA_BOOTSTRAP_SERVERS or STREAMS_RABBITMQ_URL.")
        stopping = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopping.set())
        for publisher in names:
            services.divide(publisher)
        self._tell_not_started()
        process.start("publisher")
        if not runner.run(names, stopping):
            raise CommandError("A publisher stopped because of an unexpected error. See the log.")

    def _status(self, options: dict[str, Any]) -> None:
        held = selectors.held_counts()
        table = Table("publisher", "slot", "", "position", "behind", "seconds", "held", "unrouted", "error", box=None)
        for one in Cursor.objects.all():
            lag = selectors.lag_of(one)
            kind = f"backfill, {selectors.share_of(one):.0%}" if one.backfill else "live"
            table.add_row(
                one.publisher, str(one.slot), kind, str(one.position), str(lag.events), f"{lag.seconds:.1f}",
                str(held[one.publisher]), "" if one.unrouted is None else str(one.unrouted), one.error[:200],
            )  # fmt: skip
        self.console.print(table)
        self._tell_not_started()

    def _tell_not_started(self) -> None:
        for name in selectors.not_started():
            self.console.print(f"{name} is not started: run `manage.py streams start {name}`, perhaps with --since.")

    def _held(self, options: dict[str, Any]) -> None:
        table = Table("publisher", "stream", "position", "attempts", "next", "error", box=None)
        for one in HeldStream.objects.order_by("id"):
            due = f"{one.due_at:%H:%M:%S}" if one.due_at else "waits for a person"
            table.add_row(one.publisher, one.stream, str(one.position), str(one.attempts), due, one.error[:200])
        self.console.print(table)

    def _retry(self, options: dict[str, Any]) -> None:
        self._repair("retry", options)

    def _skip(self, options: dict[str, Any]) -> None:
        if not options["reason"].strip():
            raise CommandError("Give a reason with --reason: consumers never get a skipped event.")
        self._repair("skip", options)

    def _repair(self, action: str, options: dict[str, Any]) -> None:
        found = HeldStream.objects.filter(publisher=options["publisher"])
        if options["streams"] != ["all"]:
            found = found.filter(stream__in=options["streams"])
        ask(f"{action.capitalize()} {found.count()} held streams?", yes=options["yes"])
        work = services.retry if action == "retry" else services.skip
        count = work(found, actor=actor(), reason=options["reason"])
        self.console.print(f"{count} held streams: {action} done.")


def _since(text: str) -> int | datetime:
    if text.isdecimal():
        return int(text)
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
