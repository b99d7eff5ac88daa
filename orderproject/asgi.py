"""The process of live streams; `python -m orderproject.live` serves it."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orderproject.settings")
django.setup()

from orderproject.live.application import LiveApplication  # noqa: E402  needs the settings

application = LiveApplication()
