"""A private RabbitMQ node with the STOMP plugin."""

from __future__ import annotations

from pathlib import Path

from orderproject.stack.ports import HOST, free_port
from tests import rabbit


class StompNode(rabbit.Node):
    """Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stomp_port = free_port()
        (folder / "plugins").write_text("[rabbitmq_stomp].\n")
        with (folder / "rabbitmq.conf").open("a") as settings:
            settings.write(f"stomp.listeners.tcp.1 = {HOST}:{self.stomp_port}\n")
