"""Reads the tracking messages of carriers that do not speak CloudEvents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from events.declare.foreign import Message, Translated, translates
from orders.events import CARRIER
from web.typed import decoder

TYPES = {"DELIVERED": "parcel.delivered"}
"""The types of CloudEvents that their status codes stand for. Other codes are unknown types."""


class Tracking(msgspec.Struct, rename="camel"):
    """One tracking message: what carriers send as plain JSON. `message_id` is the same if it comes again."""

    message_id: str
    carrier: str
    tracking_number: str
    status: str
    occurred_at: Annotated[datetime, Meta(tz=True)]


_decode = decoder(Tracking).decode


@translates(CARRIER)
def tracking(message: Message) -> Translated:
    """Raises msgspec.MsgspecError for anything but a tracking message."""
    told = _decode(message.body)
    data = {"carrier": told.carrier, "trackingNumber": told.tracking_number, "deliveredAt": told.occurred_at}
    return Translated(told.message_id, TYPES.get(told.status, told.status), data)
