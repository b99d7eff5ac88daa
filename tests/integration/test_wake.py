"""The client behind the hint to the relay."""

import gc

from events import wake


def test_a_client_that_is_not_kept_cuts_nobody_off():
    """Two threads may make one each at the same instant; the cache keeps one of them."""
    spare = wake.client.__wrapped__()
    connection = spare.connection_pool.get_connection()
    socket = connection._sock
    del spare
    gc.collect()
    assert connection._sock is socket
    connection.send_command("PING")
    assert connection.read_response() == b"PONG"
