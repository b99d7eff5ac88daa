"""The kernel of sagas as a Django application."""

from django.apps import AppConfig


class SagasConfig(AppConfig):
    name = "sagas"
