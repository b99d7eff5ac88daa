"""Orders implemented well with plain Celery: models and one chord per order, without an event log."""

from bench.peers.plain_celery.app import app

__all__ = ["app"]
