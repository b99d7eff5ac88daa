"""`manage.py replay <subscriber>`: replays old events, or rebuilds a read model, and shows the progress."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from desk import terminal
from desk.actors import name_of
from desk.terminal import actor, add_yes, ask, console
from events.errors import Conflict, Refused
from events.models import Replay, ReplayState
from events.replay import replays
from events.replay.runner import continue_replay

TURN = 0.5
"""Seconds between two updates of the progress bar."""


class Command(terminal.Command):
    help = (
        "Delivers old events to one subscriber again. A read model is rebuilt from the whole log, beside the live one."
        " If you interrupt the command, the replay continues in the background; use --stop to stop it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("subscriber", nargs="?", help="<application>.<function>; without it, replays are listed")
        parser.add_argument("--since", type=_moment, help="a time, RFC 3339")
        parser.add_argument("--until", type=_moment, help="a time, RFC 3339; exclusive")
        parser.add_argument("--stream", default="", help="<kind>:<id>")
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
        effect = "a rebuild from" if scope.rebuilds else f"{size.deliveries} deliveries of"
        self.console.print(f"{scope.subscriber.name}: {effect} {size.events} events.")
        if options["dry_run"]:
            return
        ask("Start?", yes=options["yes"])
        self._follow(replays.start(scope, actor=actor(), reason=options["reason"]))

    def _follow(self, replay: Replay) -> None:
        """Shows the progress until the replay ends. Does the work in this process unless a worker is doing it."""
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(replay.subscriber, total=1.0)
            while replay.state == ReplayState.RUNNING:
                if not continue_replay(TURN, replay.id):
                    time.sleep(TURN)
                replay.refresh_from_db()
                bar.update(task, completed=replays.progress_of(replay).share)
        if replay.state != ReplayState.DONE:
            raise CommandError(f"The replay ended as {replay.state} after {replay.handled} events: {replay.error}")
        self.console.print(f"Done: {replay.handled} events.")

    def _list(self) -> None:
        table = Table("id", "started", "by", "subscriber", "state", "events", "", box=None)
        for one in Replay.objects.all()[:50]:
            table.add_row(
                str(one.id), f"{one.started_at:%Y-%m-%d %H:%M:%S}", name_of(one.started_by), one.subscriber, one.state,
                f"{one.handled} of {one.expected}", one.error[:100],
            )  # fmt: skip
        self.console.print(table)


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
