"""`manage.py relay`: claims and sends due deliveries until SIGTERM or SIGINT."""

import signal
from typing import Any

from celery import current_app

from desk import terminal
from events.delivery.relay import Relay
from events.metrics import process
from events.monitor.sender import tell_flower


class Command(terminal.Command):
    help = "Claims due deliveries and sends them in batches. Any number of relays may run."

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay()

        def stop(*_: Any) -> None:
            relay.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        process.start("relay")
        flower = tell_flower(current_app, "relay")
        relay.run()
        flower.stop()
