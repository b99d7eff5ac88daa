"""`manage.py breakers list|open|close|release`: shows circuit breakers, forces one, or releases it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import CommandError

from desk import terminal
from desk.actors import name_of
from desk.terminal import actor
from events.breakers.breaker import Snapshot, State, breaker, breakers
from events.breakers.override import force, release

FORCED = {"open": State.OPEN, "close": State.CLOSED}


class Command(terminal.Command):
    help = (
        "Shows the breakers, forces one open or closed for a week at most, or releases it."
        " Every change is recorded in the audit log."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list")
        for action in FORCED:
            forcing = actions.add_parser(action)
            forcing.add_argument("name")
            forcing.add_argument("--reason", required=True)
        releasing = actions.add_parser("release")
        releasing.add_argument("name")
        releasing.add_argument("--reason", default="")

    def handle(self, *args: Any, action: str, name: str = "", reason: str = "", **options: Any) -> None:
        try:
            shown = breakers() if action == "list" else [breaker(name)]
            if action in FORCED:
                force(shown[0], FORCED[action], actor=actor(), reason=reason)
            elif action == "release":
                release(shown[0], actor=actor(), reason=reason)
            for one in shown:
                self.stdout.write(_line(one.snapshot()))
        except LookupError as error:
            raise CommandError(str(error)) from error
        except redis.RedisError as error:
            message = f"Valkey does not answer, so breakers let every call through. Try again later: {error}"
            raise CommandError(message) from error


def _line(now: Snapshot) -> str:
    since = f" since {now.since:%Y-%m-%d %H:%M:%S} UTC" if now.since else ""
    forced = f", forced by {name_of(now.by)}: {now.why}" if now.forced else ""
    return f"{now.name}: {now.state}{since}, {now.successes} answered, {now.failures} failed{forced}"
