"""The stack's settings, with a beat that does every second what else it does every minute."""

from events.worker.periodic_tasks import PeriodicTasks
from orderproject.settings import *  # noqa: F403

CELERY_BEAT_SCHEDULE = PeriodicTasks(every=1.0)
