"""RabbitMQ's dead-letter queue: a message that exceeded the delivery limit is stored as a `DeadMessage`."""

from typing import Any

from celery import bootsteps
from kombu import Consumer, Exchange, Queue

from events.models import DeadReason

DEAD = Queue("dead", Exchange("dead", type="fanout"), queue_arguments={"x-queue-type": "quorum"})


class DeadQueue(bootsteps.ConsumerStep):
    """Consumes the dead-letter queue in every RabbitMQ worker. A message's routing key still names its first queue."""

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
        self._keep(message, DeadReason.TOO_OFTEN, "delivered as often as its queue allows and never acknowledged")
