"""`manage.py breakers list|open|close|release`: how breakers stand, and forcing them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError

from events.breaker import Snapshot, State, breaker, breakers
from events.forcing import force, release
from events.terminal import actor

FORCED = {"open": State.OPEN, "close": State.CLOSED}


class Command(BaseCommand):
    help = "Shows the breakers, forces one open or closed (for a week at most), or releases it; written into the audit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        deeds.add_parser("list")
        for deed in FORCED:
            forcing = deeds.add_parser(deed)
            forcing.add_argument("name")
            forcing.add_argument("--reason", required=True)
        releasing = deeds.add_parser("release")
        releasing.add_argument("name")
        releasing.add_argument("--reason", default="")

    def handle(self, *args: Any, deed: str, name: str = "", reason: str = "", **options: Any) -> None:
        try:
            shown = breakers() if deed == "list" else [breaker(name)]
            if deed in FORCED:
                force(shown[0], FORCED[deed], actor=actor(), reason=reason)
            elif deed == "release":
                release(shown[0], actor=actor(), reason=reason)
            for one in shown:
                self.stdout.write(_line(one.snapshot()))
        except LookupError as error:
            raise CommandError(str(error)) from error
        except redis.RedisError as error:
            raise CommandError(f"Valkey does not answer, so every call goes through: {error}") from error


def _line(now: Snapshot) -> str:
    since = f" since {now.since:%Y-%m-%d %H:%M:%S} UTC" if now.since else ""
    forced = f", forced by {now.by}: {now.why}" if now.forced else ""
    return f"{now.name}: {now.state}{since}, {now.successes} answered, {now.failures} failed{forced}"
