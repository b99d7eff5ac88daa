"""The Celery application; workers start with `celery -A bench.peers.plain_celery.app worker`."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_ready

from bench.peers.whole.processes import READY

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.plain_celery.settings")

app = Celery("plain_celery")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()  # also for the threads that place orders
app.autodiscover_tasks()


@worker_ready.connect
@worker_process_init.connect
def tell(**_: Any) -> None:
    print(READY.decode(), flush=True)
