"""`manage.py replay <subscriber>`: hands old events over again, or rebuilds a read model, and shows how far it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from events import replays
from events.errors import Conflict, Refused
from events.models import Replay, ReplayState
from events.replaying import go_on
from events.terminal import actor, add_yes, ask, console

TURN = 0.5
"""Seconds between two looks at how far it is."""


class Command(BaseCommand):
    help = (
        "Hands old events to one subscriber again. A read model is rebuilt beside the live one, from the whole log."
        " What is interrupted goes on by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("subscriber", nargs="?", help="such as orders.daily_sales; without it, replays are listed")
        parser.add_argument("--since", type=_moment, help="a time, RFC 3339")
        parser.add_argument("--until", type=_moment, help="a time, RFC 3339; exclusive")
        parser.add_argument("--stream", default="", help="such as order:<id>")
        parser.add_argument("--dry-run", action="store_true", help="only say how much it would be")
        parser.add_argument("--reason", default="")
        parser.add_argument("--stop", type=UUID, metavar="ID", help="stop this replay")
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            if options["stop"]:
                replays.stop(options["stop"], actor=actor(), reason=options["reason"])
                self.console.print("Stopped.")
            elif options["subscriber"]:
                self._replay(options)
            else:
                self._list()
        except (Refused, Conflict) as error:
            raise CommandError(str(error)) from error

    def _replay(self, options: dict[str, Any]) -> None:
        narrowed = {name: options[name] for name in ("since", "until", "stream")}
        scope = replays.scope(options["subscriber"], **narrowed)
        size = replays.size_of(scope)
        deed = "a rebuild from" if scope.rebuilds else f"{size.deliveries} deliveries of"
        self.console.print(f"{scope.subscriber.name}: {deed} {size.events} events.")
        if options["dry_run"]:
            return
        ask("Start?", yes=options["yes"])
        self._follow(replays.start(scope, actor=actor(), reason=options["reason"]))

    def _follow(self, replay: Replay) -> None:
        """Does the work itself where nobody else is at it."""
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(replay.subscriber, total=1.0)
            while replay.state == ReplayState.RUNNING:
                if not go_on(TURN, replay.id):
                    time.sleep(TURN)
                replay.refresh_from_db()
                bar.update(task, completed=replays.progress_of(replay).share)
        if replay.state != ReplayState.DONE:
            raise CommandError(f"The replay {replay.state} after {replay.handled} events: {replay.error}")
        self.console.print(f"Done: {replay.handled} events.")

    def _list(self) -> None:
        table = Table("id", "started", "by", "subscriber", "state", "events", "", box=None)
        for one in Replay.objects.all()[:50]:
            table.add_row(
                str(one.id), f"{one.started_at:%Y-%m-%d %H:%M:%S}", one.started_by, one.subscriber, one.state,
                f"{one.handled} of {one.expected}", one.error[:100],
            )  # fmt: skip
        self.console.print(table)


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
