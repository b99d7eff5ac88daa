"""Which webhooks hear of an event. Nearly free while none asks for it: decision 27."""

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

from events import Event, registry
from events.broker import send
from events.catalogue import service_of
from events.live.ports import owners_of
from notifications import sql

SEND = "notifications.send_webhooks"
OWN_KIND = "webhook"
"""Events about webhooks are not sent to webhooks, but for the test of one."""
OPEN_KINDS = frozenset({"order", "payment"})
"""What a customer may hear about its own orders: the streams of which `owners_of` knows the owner."""
KNOWN_FOR = 1.0
"""Seconds for which a process goes on with what it knows of the webhooks."""


@cache
def event_types() -> dict[str, type[Event]]:
    """What may be subscribed to: every type that an installed service declares. All applications must be loaded."""
    autodiscover_modules("events")
    return {
        event.type: event
        for event in registry.newest_of_each()
        if apps.is_installed(service_of(event)) and event.stream_kind != OWN_KIND
    }


@cache
def names_of(event_type: str) -> frozenset[str]:
    """The names by which a webhook may ask for this type."""
    return frozenset({event_type, f"{event_type.partition('.')[0]}.*", "*"})


@dataclass
class _Asked:
    """What the webhooks ask for, as this process last saw it."""

    of_own: frozenset[str] = frozenset()
    of_all: frozenset[str] = frozenset()
    until: float = 0.0

    def look(self) -> None:
        now = time.monotonic()
        if now < self.until:
            return
        rows = sql.run(sql.ASKED, [])
        self.of_own = frozenset(name for everything, name in rows if not everything)
        self.of_all = frozenset(name for everything, name in rows if everything)
        self.until = now + KNOWN_FOR


_asked = _Asked()


def is_wanted(event: type[Event]) -> bool:
    """Whether such an event gets a delivery to the fan-out at all. Asked for every event that is recorded."""
    _asked.look()
    names = names_of(event.type)
    if not names.isdisjoint(_asked.of_all):
        return True
    return event.stream_kind in OPEN_KINDS and not names.isdisjoint(_asked.of_own)


def forget() -> None:
    """This process looks again at the next event."""
    _asked.until = 0.0


def fan_out(events: Sequence[Event], keys: Sequence[str]) -> None:
    """One delivery for each event and webhook, however often the event comes; three statements for any number.

    Must run in a transaction.
    """
    streams = [event.stream for event in events]
    owners = owners_of(streams)
    found = sql.run(
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
    """Deliveries of (webhook, position of the event); those that are there already are left alone."""
    webhooks, positions = zip(*pairs, strict=True)
    if sql.run(sql.ADD, [[uuid7() for _ in pairs], list(webhooks), list(positions)]):
        transaction.on_commit(hurry)


def hurry() -> None:
    """Something is due; beat asks in any case."""
    send(current_app, SEND, ())
