from typing import Any

from django.core.management.base import CommandError

from desk import terminal
from desk.terminal import actor
from events import Refused
from events.delivery.failures import summary_of
from publishing import selectors, services
from publishing.engine import brokers
from publishing.inbox import receiver


class Command(terminal.Command):
    help = "Creates what publishers and inbox need at their brokers, and starts the publishers. Idempotent."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in brokers.configured():
            try:
                brokers.create(name, dry_run=False)
            except Exception as error:
                raise CommandError(f"{name} cannot be reached: {summary_of(error)}") from error
        for name in receiver.configured():
            try:
                receiver.create(name, dry_run=False)
            except Exception as error:
                raise CommandError(f"The inbox cannot reach {name}: {summary_of(error)}") from error
        for name in selectors.not_started():
            try:
                services.start(services.plan_start(name, 0), actor=actor())
            except Refused as error:
                raise CommandError(error.detail) from error
