"""Reads CloudEvents 1.0 in binary and structured mode, by the bindings for Kafka and AMQP.

The specification: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from events.declare.foreign import Message
from web.typed import decoder

PREFIXES = ("ce_", "cloudEvents_", "cloudEvents:")
"""Of the attributes in the headers: the binding for Kafka, and the two forms of the binding for AMQP."""
STRUCTURED = "application/cloudevents"


class BadEvent(ValueError):
    """The message is a CloudEvent, but not a valid one. The text says what is wrong."""


class CloudEvent(msgspec.Struct, frozen=True):
    """`data` is JSON."""

    id: str
    source: str
    type: str
    data: bytes
    traceparent: str = ""


class _Structured(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")
    data_base64: str | None = None
    traceparent: str | None = None


_decode = decoder(_Structured).decode


def cloud_event(message: Message) -> CloudEvent | None:
    """The CloudEvent in this message; None if it is no CloudEvent. Raises BadEvent."""
    if message.content_type.lower().startswith(STRUCTURED):
        return _checked(_structured(message), message.content_type)
    for prefix in PREFIXES:
        if f"{prefix}specversion" in message.headers:
            return _checked(*_binary(message, prefix))
    return None


def _binary(message: Message, prefix: str) -> tuple[_Structured, str]:
    told = {name: message.headers.get(f"{prefix}{name}", "") for name in ("specversion", "id", "source", "type")}
    trace = message.headers.get(f"{prefix}traceparent") or message.headers.get("traceparent", "")
    event = _Structured(**told, datacontenttype=message.content_type, data=msgspec.Raw(message.body), traceparent=trace)
    return event, message.content_type


def _structured(message: Message) -> _Structured:
    try:
        event = _decode(message.body)
    except msgspec.MsgspecError as error:
        raise BadEvent(f"The body is no CloudEvent: {error}") from error
    if event.data_base64 is not None:
        try:
            event.data = msgspec.Raw(base64.b64decode(event.data_base64, validate=True))
        except binascii.Error as error:
            raise BadEvent(f"`data_base64` is not Base64: {error}") from error
    return event


def _checked(event: _Structured, content_type: str) -> CloudEvent:
    if "batch" in content_type:
        raise BadEvent("A batch of CloudEvents cannot be received: send one event in each message.")
    if event.specversion != "1.0":
        raise BadEvent(f"`specversion` is {event.specversion!r}, and only 1.0 can be read.")
    for name in ("id", "source", "type"):
        if not getattr(event, name):
            raise BadEvent(f"The attribute `{name}` is missing or empty.")
    kind = (event.datacontenttype or "application/json").partition(";")[0].strip().lower()
    if kind and not kind.endswith(("/json", "+json")):
        raise BadEvent(f"The data are {kind}, and only JSON can be read.")
    return CloudEvent(event.id, event.source, event.type, bytes(event.data) or b"{}", event.traceparent or "")
