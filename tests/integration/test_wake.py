"""The client behind the hint to the relay."""

import gc
import time

from events.db import valkey
from events.delivery import wake


def test_a_client_that_is_not_kept_cuts_nobody_off():
    """Two threads may make one each at the same instant; the cache keeps one of them."""
    spare = valkey.client.__wrapped__()
    connection = spare.connection_pool.get_connection()
    socket = connection._sock
    del spare
    gc.collect()
    assert connection._sock is socket
    connection.send_command("PING")
    assert connection.read_response() == b"PONG"


def hints() -> int:
    return int(valkey.client().llen(wake.WAKE))


def until(hinted: int) -> bool:
    """Nobody waits for an answer to a hint, so it may take a moment."""
    deadline = time.monotonic() + 5
    while hints() != hinted and time.monotonic() < deadline:
        time.sleep(0.01)
    return hints() == hinted


def test_hints_are_heard_and_never_fill_the_memory():
    valkey.client().delete(wake.WAKE)
    wake.notify_relay()
    assert until(1)
    for _ in range(20):
        wake.notify_relay()
    assert wake.wait(5.0)
    assert until(0)


def test_hints_are_heard_again_after_the_server_was_away(monkeypatch):
    monkeypatch.setattr(wake, "QUIET", 0.0)
    wake.notify_relay()
    valkey.client().client_kill_filter(_type="normal", skipme=True)
    valkey.client().delete(wake.WAKE)
    for _ in range(3):
        wake.notify_relay()
        time.sleep(0.05)
    assert hints() >= 1
    valkey.client().delete(wake.WAKE)
