from django.apps import AppConfig


class PlainCeleryConfig(AppConfig):
    name = "bench.peers.plain_celery"
    label = "plain"
