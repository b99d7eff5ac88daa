"""The Celery application. Workers, beat and Flower start with `celery -A orderproject …`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from events.worker import amqp_transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orderproject.settings")

amqp_transport.install()
app = Celery("orderproject")
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def _configure_logs(**_: Any) -> None:
    """Keeps Celery from changing the logging that Django has configured."""
