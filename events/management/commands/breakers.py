"""`manage.py breakers list|open|close|release`: how breakers stand, and forcing them."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError

from events.breaker import Snapshot, State, breaker, breakers

FORCED = {"open": State.OPEN, "close": State.CLOSED}


class Command(BaseCommand):
    help = "Shows the breakers, forces one open or closed (for a week at most), or releases it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        deeds.add_parser("list")
        for deed in FORCED:
            forcing = deeds.add_parser(deed)
            forcing.add_argument("name")
            forcing.add_argument("--reason", required=True)
        deeds.add_parser("release").add_argument("name")

    def handle(self, *args: Any, deed: str, name: str = "", reason: str = "", **options: Any) -> None:
        try:
            shown = breakers() if deed == "list" else [breaker(name)]
            if deed in FORCED:
                shown[0].force(FORCED[deed], by=_who(), why=reason)
            elif deed == "release":
                shown[0].release(by=_who())
            for one in shown:
                self.stdout.write(_line(one.snapshot()))
        except LookupError as error:
            raise CommandError(str(error)) from error
        except redis.RedisError as error:
            raise CommandError(f"Valkey does not answer, so every call goes through: {error}") from error


def _who() -> str:
    try:
        return f"{getpass.getuser()} at the command line"
    except (KeyError, OSError):  # a container's user may have no name
        return "the command line"


def _line(now: Snapshot) -> str:
    since = f" since {now.since:%Y-%m-%d %H:%M:%S} UTC" if now.since else ""
    forced = f", forced by {now.by}: {now.why}" if now.forced else ""
    return f"{now.name}: {now.state}{since}, {now.successes} answered, {now.failures} failed{forced}"
