"""Finds the webhooks that subscribe to an event. Costs almost nothing while there are none (decision 27)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from celery import current_app
from django.apps import apps
from django.db import transaction
from django.utils.module_loading import autodiscover_modules
from uuid_utils.compat import uuid7

from events import Event, ForeignEvent
from events.db.query import execute
from events.declare import registry
from events.declare.registry import service_of
from events.delivery.broker import send
from events.live.ports import owners_of
from notifications import sql

SEND = "notifications.send_webhooks"
OWN_KIND = "webhook"
"""Events about webhooks are not sent to webhooks, except test events."""
OPEN_KINDS = frozenset({"order", "payment"})
"""The stream kinds that customers can receive about their own orders: those whose owner `owners_of` knows."""
KNOWN_FOR = 1.0
"""Seconds for which a process caches the subscribed types."""


@cache
def event_types() -> dict[str, type[Event]]:
    """The types that webhooks can subscribe to: all that installed services emit. All applications must be loaded."""
    autodiscover_modules("events")
    return {
        event.type: event
        for event in registry.newest_of_each()
        if apps.is_installed(service_of(event))
        and event.stream_kind != OWN_KIND
        and not issubclass(event, ForeignEvent)
    }


@cache
def names_of(event_type: str) -> frozenset[str]:
    """The names with which a webhook can subscribe to this type."""
    return frozenset({event_type, f"{event_type.partition('.')[0]}.*", "*"})


@dataclass
class _Asked:
    """The subscribed types, cached by this process for `KNOWN_FOR` seconds."""

    of_own: frozenset[str] = frozenset()
    of_all: frozenset[str] = frozenset()
    until: float = 0.0

    def look(self) -> None:
        now = time.monotonic()
        if now < self.until:
            return
        rows = execute(sql.ASKED, [])
        self.of_own = frozenset(name for everything, name in rows if not everything)
        self.of_all = frozenset(name for everything, name in rows if everything)
        self.until = now + KNOWN_FOR


_asked = _Asked()


def is_wanted(event: type[Event]) -> bool:
    """Whether any webhook subscribes to the type. Called for every event that is recorded."""
    _asked.look()
    names = names_of(event.type)
    if not names.isdisjoint(_asked.of_all):
        return True
    return event.stream_kind in OPEN_KINDS and not names.isdisjoint(_asked.of_own)


def clear_cache() -> None:
    """Clears this process's cache."""
    _asked.until = 0.0


def fan_out(events: Sequence[Event], keys: Sequence[str]) -> None:
    """Creates one delivery per event and subscribed webhook, with three statements for any number. Idempotent.

    Must run in a transaction.
    """
    streams = [event.stream for event in events]
    owners = owners_of(streams)
    found = execute(
        sql.FAN_OUT,
        {
            "streams": streams,
            "event_ids": [key.split(":")[1] for key in keys],
            "owners": [owners.get(stream) for stream in streams],
        },
    )
    if found:
        add(found)


def add(pairs: Sequence[tuple[object, ...]]) -> None:
    """Creates deliveries for (webhook id, event position) pairs. Idempotent: existing deliveries are kept."""
    webhooks, positions = zip(*pairs, strict=True)
    if execute(sql.ADD, [[uuid7() for _ in pairs], list(webhooks), list(positions)]):
        transaction.on_commit(notify_sender)


def notify_sender() -> None:
    """Starts the sending task immediately. A periodic task sends due deliveries in any case."""
    send(current_app, SEND, ())
