"""The brokers that STREAMS asks for, to which the stack publishes the log."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orderproject.stack.errors import MissingServer
from orderproject.stack.ports import free_port
from orderproject.stack.restarting import Child
from orderproject.stack.servers.kafka import EmbeddedKafka
from orderproject.stack.servers.rabbitmq import EmbeddedRabbitMQ
from orderproject.stack.terminal import say

VARIABLES = {"kafka": "STREAMS_KAFKA_BOOTSTRAP_SERVERS", "rabbitmq": "STREAMS_RABBITMQ_URL"}
"""The setting with the address of each broker."""

INBOX = {
    "kafka": ("INBOX_KAFKA_BOOTSTRAP_SERVERS", "INBOX_KAFKA_TOPICS"),
    "rabbitmq": ("INBOX_RABBITMQ_URL", "INBOX_RABBITMQ_QUEUES"),
}
"""The settings with the address and the places from which the shop receives."""
TRACKING = "carrier=carrier.tracking"
"""The topic and the queue of the stack for tracking messages, by their source."""

TITLES = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


@dataclass
class Brokers:
    """The brokers that the stack publishes to: their addresses, what to tell people, and the processes it starts."""

    addresses: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    """The addresses without passwords."""
    children: list[Child] = field(default_factory=list)
    """They stop together, so that PostgreSQL keeps its time to stop."""


def brokers(names: Mapping[str, str], data: Path, fresh_log: Callable[[str], Path]) -> Brokers:
    """Makes the brokers with these names. One that has an address already is used as it is; a missing one is left out.

    Says what is missing and how to get it.
    """
    found = Brokers()
    for name, given in names.items():
        if given:
            found.addresses[name] = given
            found.shown[name] = f"as {VARIABLES[name]} says"
            continue
        try:
            MAKERS[name](found, data, fresh_log(name))
        except MissingServer as error:
            say(f"{error} Going on without it.")
    return found


def _kafka(found: Brokers, _: Path, log: Path) -> None:
    server = EmbeddedKafka(free_port(), log)
    found.addresses["kafka"] = server.address
    found.shown["kafka"] = f"{server.address}, in memory only"
    found.children.append(Child(server.process))


def _rabbitmq(found: Brokers, data: Path, log: Path) -> None:
    server = EmbeddedRabbitMQ(data / "rabbitmq", free_port(), log)
    found.addresses["rabbitmq"] = server.url
    found.shown["rabbitmq"] = f"{server.address}, user app, password in {server.data_dir / 'password'}"
    found.children += [Child(server.mapper), Child(server.process, before_start=server.prepare)]


def variables(addresses: Mapping[str, str]) -> dict[str, str]:
    """What the processes must know of these brokers: to publish to them, and to receive tracking messages from them.

    The inbox is left as it is where the environment says what to receive.
    """
    found = {VARIABLES[name]: address for name, address in addresses.items()}
    if any(os.environ.get(places) for _, places in INBOX.values()):
        return found
    for name, address in addresses.items():
        of_address, of_places = INBOX[name]
        found |= {of_address: address, of_places: TRACKING}
    return found


MAKERS: dict[str, Callable[[Brokers, Path, Path], None]] = {"kafka": _kafka, "rabbitmq": _rabbitmq}
