"""The path converter `id`: a UUID in small letters or capitals, as RFC 9562 wants readers to accept.

Django's own `uuid` knows small letters only. A `urls.py` that uses `<id:…>` imports this module.
"""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import UUIDConverter

NAME = "id"


class IdConverter(UUIDConverter):
    regex = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"


register_converter(IdConverter, NAME)
