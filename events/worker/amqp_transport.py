"""kombu's transport for RabbitMQ with a timeout on every reply.

py-amqp waits without a timeout for the reply to a declaration, a channel being opened or closed, or a publish. A frozen
node never replies, and a node that is short of memory or disk does not reply to publishers.
"""

from __future__ import annotations

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from kombu.transport import TRANSPORT_ALIASES, pyamqp

ANSWER_WITHIN = 10.0
"""Seconds without a reply after which a connection is dropped. The next use opens a new one."""


class _WithTimeout:
    """Mixin for connections and channels, which read every reply through `wait`."""

    connection: Any

    def wait(self, method: Any, callback: Any = None, timeout: Any = None, returns_tuple: bool = False) -> Any:
        connection = self.connection
        base: Any = super()
        try:
            return base.wait(method, callback, timeout or ANSWER_WITHIN, returns_tuple)
        except TimeoutError as error:
            # Dropped, not closed: closing waits for a reply, too. And a late reply must not be taken for another one.
            connection.collect()
            raise RecoverableConnectionError(f"RabbitMQ did not reply within {ANSWER_WITHIN:g} s") from error


class Channel(_WithTimeout, pyamqp.Channel):
    pass


class Connection(_WithTimeout, pyamqp.Connection):
    Channel = Channel


class Transport(pyamqp.Transport):
    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    Connection = Connection


def install() -> None:
    """Must be called before the first connection is opened.

    Replaces the alias, because kombu looks the transport up by its URL scheme when it fails over to another address.
    """
    here = __name__
    TRANSPORT_ALIASES.update(amqp=f"{here}:Transport", amqps=f"{here}:SSLTransport")
