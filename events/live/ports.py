"""Whose a stream is. The kernel does not know; the settings LIVE_OWNERS and LIVE_STREAMS name functions that do."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.module_loading import import_string

from events.conf import event_settings


def owners_of(streams: Sequence[str]) -> Mapping[str, UUID]:
    """By stream; those without an owner are left out. An owner never changes."""
    return _answer(event_settings.LIVE_OWNERS, streams) or {}


def streams_of(owner: UUID) -> list[str]:
    """The names of all streams that are its own."""
    return list(_answer(event_settings.LIVE_STREAMS, owner) or ())


def _answer(path: str, asked: Any) -> Any:
    """None where the setting is empty: then no stream has an owner."""
    return import_string(path)(asked) if path else None
