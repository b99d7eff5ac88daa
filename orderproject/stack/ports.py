"""Free ports on the loopback address."""

import random
import socket
import time

HOST = "127.0.0.1"
# Below the ephemeral ports of outgoing connections, so that a client cannot occupy the port of a server that restarts.
CHOICES = range(15_000, 32_000)


def free_port() -> int:
    for port in random.sample(CHOICES, 200):  # not for security  # nosec B311
        if is_free(port):
            return port
    raise OSError(f"no free port on {HOST} between {CHOICES.start} and {CHOICES.stop}: end processes that listen there")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do, so that connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def becomes_free(port: int, within: float) -> bool:
    """Waits up to `within` seconds, because the workers of a killed web server hold its port a little longer."""
    deadline = time.monotonic() + within
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
