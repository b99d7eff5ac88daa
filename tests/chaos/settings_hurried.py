"""The stack's settings, with a beat that does every second what else it does every minute."""

from orderproject.settings import *  # noqa: F403
from orderproject.settings import CELERY_BEAT_SCHEDULE as USUAL

CELERY_BEAT_SCHEDULE = {name: {**entry, "schedule": 1.0} for name, entry in USUAL.items()}
