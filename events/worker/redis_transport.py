"""kombu's transport for Redis and Valkey, with two changes.

kombu pops an item before it validates it, so a malformed item crashes the worker and is lost. This transport validates
items first and stores malformed ones. And kombu creates a client for every command, which costs more than the command;
this transport keeps one.
"""

from __future__ import annotations

import time
from binascii import a2b_base64
from typing import Any, Literal

import msgspec
import structlog
from django.db import Error
from kombu.transport import redis

from events.models import DeadReason
from events.worker.dead_messages import RawMessage, keep
from web.typed import decoder

log = structlog.get_logger(__name__)
PAUSE = 1.0


class _Destination(msgspec.Struct):
    exchange: str
    routing_key: str


class _Properties(msgspec.Struct):
    delivery_tag: str
    delivery_info: _Destination
    body_encoding: Literal["base64", "utf-8"] | None = None


class _Envelope(msgspec.Struct):
    """The fields that kombu uses without validation."""

    headers: dict[str, Any]
    properties: _Properties
    body: str = ""


_decoder = decoder(_Envelope)


def defect(item: bytes) -> str:
    """Why kombu cannot make a message of this item; empty if it can."""
    try:
        envelope = _decoder.decode(item)
        if envelope.properties.body_encoding == "base64":
            a2b_base64(envelope.body)
    except (msgspec.DecodeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Channel(redis.Channel):
    """Validates the items that BRPOP returns."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """One client for all commands of this channel while its pool stays the same; a separate one for BRPOP."""
        if asynchronous:
            return self._new_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = self._new_client(asynchronous=False)
        return self._kept

    def _new_client(self, *, asynchronous: bool) -> Any:
        base: Any = super()
        client = base._create_client(asynchronous=asynchronous)
        parse = client.parse_response

        def parse_response(connection: Any, command_name: str, **options: Any) -> Any:
            answer = parse(connection, command_name, **options)
            return self.validated(answer) if command_name == "BRPOP" else answer

        client.parse_response = parse_response
        return client

    def validated(self, answer: Any) -> Any:
        """BRPOP's answer; None, BRPOP's "no item", if the item was malformed and has been stored as dead."""
        if not answer or not (error := defect(answer[1])):
            return answer
        key, item = answer
        queue = key.decode().rsplit(self.sep, 1)[0]
        log.error("dead message", queue=queue, reason=str(DeadReason.NO_ENVELOPE), error=error)
        try:
            keep(RawMessage(queue, DeadReason.NO_ENVELOPE, item, error=error))
        except Error as problem:
            log.warning("dead message not stored yet; it goes back to its queue", error=str(problem))
            with self.conn_or_acquire() as client:
                client.lpush(key, item)
            time.sleep(PAUSE)
        return None


class Transport(redis.Transport):
    Channel = Channel
