"""Whose a stream is. The kernel does not know; the settings name who does."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


def owners_of(streams: Sequence[str]) -> Mapping[str, UUID]:
    """By stream; those that belong to nobody are left out. An owner never changes."""
    return _owners()(streams)


def streams_of(owner: UUID) -> list[str]:
    """The names of all streams that are its own."""
    return list(_streams()(owner))


@cache
def _owners() -> Callable[[Sequence[str]], Mapping[str, UUID]]:
    return cast("Callable[[Sequence[str]], Mapping[str, UUID]]", import_string(settings.LIVE_OWNERS))


@cache
def _streams() -> Callable[[UUID], Sequence[str]]:
    return cast("Callable[[UUID], Sequence[str]]", import_string(settings.LIVE_STREAMS))
