"""The project around the services: settings, URLs, Celery, the one-command stack."""

import gc

from orderproject.celery import app as celery_app

# A batch is thousands of objects that live until it is done. By default Python would look through them for cycles
# every 700 allocations: a fifth of what a backlog costs.
gc.set_threshold(100_000, 20, 100)

__all__ = ["celery_app"]
