"""Free ports on the loopback address."""

import random
import socket
import time

HOST = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections: a server that is restarted on its
# port must not find a client there.
CHOICES = range(15_000, 32_000)


def free_port() -> int:
    for port in random.sample(CHOICES, 200):  # spread, no secret  # nosec B311
        if is_free(port):
            return port
    raise OSError(f"no free port on {HOST} between {CHOICES.start} and {CHOICES.stop}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def becomes_free(port: int, within: float) -> bool:
    """Waits a moment: the workers of a web server that was just killed hold its port a little longer."""
    deadline = time.monotonic() + within
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
