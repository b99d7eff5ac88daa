"""`manage.py relay`: sends what is due until it is told to stop."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from events.relay import Relay


class Command(BaseCommand):
    help = "Claims due deliveries and sends them in batches. Any number of relays may run."

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay()

        def stop(*_: Any) -> None:
            relay.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        relay.run()
