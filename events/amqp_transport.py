"""kombu's transport for RabbitMQ, except that no answer is awaited without end.

py-amqp reads the answer to a declaration, to the opening or closing of a channel, or to a publish, without a timeout. A
node that is frozen answers none of them, and one whose memory or disk is short answers nothing to whoever publishes.
"""

from __future__ import annotations

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from kombu.transport import TRANSPORT_ALIASES, pyamqp

ANSWER_WITHIN = 10.0
"""Seconds of silence after which a connection is given up. The next who needs one connects anew."""


class _Impatient:
    """What connections and channels have in common: every answer is read here."""

    connection: Any

    def wait(self, method: Any, callback: Any = None, timeout: Any = None, returns_tuple: bool = False) -> Any:
        connection = self.connection
        base: Any = super()
        try:
            return base.wait(method, callback, timeout or ANSWER_WITHIN, returns_tuple)
        except TimeoutError as error:
            # Dropped and not closed, for that has an answer of its own. What still came would be taken for another's.
            connection.collect()
            raise RecoverableConnectionError("RabbitMQ does not answer") from error


class Channel(_Impatient, pyamqp.Channel):
    pass


class Connection(_Impatient, pyamqp.Connection):
    Channel = Channel


class Transport(pyamqp.Transport):
    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    Connection = Connection


def install() -> None:
    """Before the first connection. By its alias, for a change to another address of a list goes by the scheme."""
    here = __name__
    TRANSPORT_ALIASES.update(amqp=f"{here}:Transport", amqps=f"{here}:SSLTransport")
