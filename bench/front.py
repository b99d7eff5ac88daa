"""`python -m bench.front`: what nginx adds to a request, against gunicorn alone, on a stack of its own.

It asks both for `/livez` over one connection each, in turns: the view does nothing, so the difference is nginx's.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.whole import Whole, whole_stack

HOST = "127.0.0.1"
ROUND = 200
"""Requests to one of them before it is the other's turn."""


def measure(connection: HTTPConnection) -> list[float]:
    """The milliseconds of each request of a round."""
    took = []
    for _ in range(ROUND):
        began = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - began))
    return took


def compare(stack: Whole, ports: Sequence[int], rounds: int) -> tuple[list[float], list[float], float]:
    """The times through nginx, the times of gunicorn alone, and the CPU milliseconds of nginx per request."""
    front, web = (HTTPConnection(HOST, port, timeout=10) for port in ports)
    measure(front), measure(web)
    before = stack.cpu()["front"]
    through, alone = [], []
    for _ in range(rounds):
        through += measure(front)
        alone += measure(web)
    return through, alone, 1000 * (stack.cpu()["front"] - before) / len(through)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.front")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-front-") as folder, whole_stack(Path(folder)) as stack:
        configuration = (Path(folder) / "data" / "front" / "nginx.conf").read_text()
        web = re.search(rf"server {HOST}:(\d+)", configuration)
        assert web, "the configuration of nginx names no address of web"
        ports = (urlsplit(stack.url).port or 0, int(web[1]))
        through, alone, cpu = compare(stack, ports, options.rounds)
    print(f"through nginx {median(through):.2f} ms, gunicorn alone {median(alone):.2f} ms, CPU of nginx {cpu:.3f} ms")


if __name__ == "__main__":
    main()
