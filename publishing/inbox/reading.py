"""Reads a message as the foreign event that is declared for it. Knows no broker and no table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
from django.conf import settings

from events import Event
from events.declare.codec import decode, encode_json
from events.declare.foreign import foreign_event, translator
from events.delivery.failures import summary_of
from publishing.inbox.arrived import Arrived
from publishing.inbox.cloudevents import BadEvent, CloudEvent, cloud_event
from publishing.models import UnreadableReason

MOST = 300
"""Characters of an id and of a source."""
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class Good:
    """A message that is a declared event."""

    arrived: Arrived
    event: Event
    foreign_source: str
    foreign_id: str
    traceparent: str

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.arrived.source, self.foreign_source, self.foreign_id


@dataclass(frozen=True)
class Skipped:
    """A message that the shop does not want. `type` is empty if it is no event."""

    arrived: Arrived
    type: str


@dataclass(frozen=True)
class Unread:
    """A message that a person must see."""

    arrived: Arrived
    reason: UnreadableReason
    error: str


Outcome = Good | Skipped | Unread


def read(arrived: Arrived) -> Outcome:
    """What this message is. Never raises for the message's sake."""
    size, most = len(arrived.message.body), settings.INBOX_MAX_BYTES
    if size > most:
        error = f"The message has {size} bytes, and INBOX_MAX_BYTES is {most}."
        return Unread(arrived, UnreadableReason.TOO_LARGE, error)
    try:
        told = cloud_event(arrived.message)
        if told is None and size:  # without a body it is a tombstone
            told = _translated(arrived)
    except BadEvent as error:
        return Unread(arrived, UnreadableReason.NO_EVENT, str(error))
    except Exception as error:  # noqa: BLE001  whatever the translating function raises
        return Unread(arrived, UnreadableReason.NO_EVENT, summary_of(error))
    return Skipped(arrived, "") if told is None else _event(arrived, told)


def _translated(arrived: Arrived) -> CloudEvent | None:
    """Raises BadEvent where no function translates messages of this source, and whatever the function raises."""
    translate = translator(arrived.source)
    if translate is None:
        raise BadEvent(f"It is not a CloudEvent, and nothing is declared with @translates({arrived.source!r}).")
    told = translate(arrived.message)
    return CloudEvent(told.id, arrived.source, told.type, encode_json(told.data)) if told else None


def _event(arrived: Arrived, told: CloudEvent) -> Outcome:
    declared = foreign_event(arrived.source, told.type)
    if declared is None:
        if settings.INBOX_UNKNOWN_TYPES == "skip":
            return Skipped(arrived, told.type)
        error = f"No code declares {told.type!r} of {arrived.source!r}: deploy the code that does, then retry."
        return Unread(arrived, UnreadableReason.UNKNOWN_TYPE, error)
    if not 0 < len(told.id) <= MOST or len(told.source) > MOST:
        error = f"Its id and its source must have at most {MOST} characters, and the id at least one."
        return Unread(arrived, UnreadableReason.NO_EVENT, error)
    try:
        event = decode(declared.type, declared.version, told.data)
    except (msgspec.MsgspecError, ValueError) as error:
        return Unread(arrived, UnreadableReason.INVALID, f"{declared.type} {declared.version}: {error}")
    trace = told.traceparent if TRACEPARENT.fullmatch(told.traceparent) else ""
    return Good(arrived, event, told.source, told.id, trace)
