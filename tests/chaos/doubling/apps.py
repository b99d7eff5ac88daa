"""Installed by `tests.chaos.settings_doubling` in every process that publishes."""

from typing import Any

from celery import current_app
from celery.signals import after_task_publish
from django.apps import AppConfig


class DoublingConfig(AppConfig):
    name = "tests.chaos.doubling"

    def ready(self) -> None:
        after_task_publish.connect(publish_again, weak=False)


def publish_again(headers: dict[str, Any], body: Any, exchange: str, routing_key: str, **_: Any) -> None:
    with current_app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            body,
            headers=headers,
            exchange=exchange or "",
            routing_key=routing_key,
            serializer="json",
            correlation_id=headers["id"],
        )
