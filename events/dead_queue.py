"""RabbitMQ's dead queue: what its delivery limit has stopped becomes a `DeadMessage`."""

from typing import Any

from celery import bootsteps
from kombu import Consumer, Exchange, Queue

from events.models import DeadReason

DEAD = Queue("dead", Exchange("dead", type="fanout"), queue_arguments={"x-queue-type": "quorum"})


class DeadQueue(bootsteps.ConsumerStep):
    """Part of every worker's consumer on RabbitMQ. A dead message still bears its queue's name as its routing key."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def include_if(self, parent: Any) -> bool:
        return str(parent.conninfo.transport.driver_type) == "amqp"

    def get_consumers(self, channel: Any) -> list[Any]:
        channel.basic_qos(0, 10, False)
        return [Consumer(channel, queues=[DEAD], on_message=self._received, tag_prefix="dead-")]

    def start(self, c: Any) -> None:
        self._keep = c.keep_message
        super().start(c)

    def _received(self, message: Any) -> None:
        self._keep(message, DeadReason.TOO_OFTEN, "given out as often as its queue allows, and never acknowledged")
