"""The ASGI application of live streams, which `python -m orderproject.live` serves."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orderproject.settings")
django.setup()

from orderproject.live.application import LiveApplication  # noqa: E402  needs the settings

application = LiveApplication()
