"""Orders as a good team writes them with Celery alone: models, one chord per order, no log of events."""

from bench.peers.plain_celery.app import app

__all__ = ["app"]
