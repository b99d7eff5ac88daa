"""One member of a consumer group on Kafka, as a process: writes down what it gets, then commits it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition


def main() -> None:
    address, topic, diary = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "members",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
        }
    )
    with diary.open("a", buffering=1) as lines:

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            lines.write(json.dumps({"assigned": [one.partition for one in partitions], "at": time.monotonic()}) + "\n")

        consumer.subscribe([topic], on_assign=assigned)
        while True:
            message = consumer.poll(0.5)
            if message is None or message.error():
                continue
            event = json.loads(message.value() or b"")
            found = {"partition": message.partition(), "at": time.monotonic()}
            lines.write(json.dumps(found | {name: event[name] for name in ("stream", "streamVersion")}) + "\n")
            consumer.commit(message=message, asynchronous=False)


if __name__ == "__main__":
    main()
