"""gunicorn's worker for the web process."""

from __future__ import annotations

import gc
from importlib import import_module

from django.conf import settings
from gunicorn.workers.gthread import ThreadWorker

from events.metrics import process

COLLECT_AFTER = 10_000
"""The garbage collector's threshold. A collection pauses for 2 ms; with a threshold of 100 000 it takes 20 ms."""


class Worker(ThreadWorker):
    """A worker whose first request is as fast as the later ones."""

    def load_wsgi(self) -> None:
        """Imports every view now instead of at the first request, and excludes them from garbage collection."""
        super().load_wsgi()
        import_module(settings.ROOT_URLCONF)
        process.start("web")
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
