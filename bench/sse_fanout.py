"""`python -m bench.sse_fanout --url http://127.0.0.1:8000 --streams 1000`: measures many live streams under load.

Needs a running stack with its seeded catalogue (`DEMO=0 make run`). Every stream follows all events, so each order's
events go to all streams. The latency is the time from the event's timestamp, which is before the commit, until the
client has read the event. The clients run on the same machine and use part of its CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from datetime import datetime
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil

from bench import cpu
from bench.orders import ADDRESS
from bench.scenarios.percentiles import percentile

logging.getLogger("httpx").setLevel(logging.WARNING)
CONNECTING = 50
SETTLE = 3.0
"""Seconds to wait for the events of the last order."""
ORDER = {
    "currency": "EUR",
    "email": "ada@example.com",
    "paymentToken": "tok_visa",
    "shippingAddress": ADDRESS,
    "items": [{"sku": "TEA-ASSAM", "quantity": 1}, {"sku": "FILTER-100", "quantity": 2}],
}
PROXY = {"X-Forwarded-Proto": "https"}


class Streams:
    """The streams. `latencies` are milliseconds over all streams; `received` counts the events per stream."""

    def __init__(self, url: str, token: str) -> None:
        place = urlsplit(url)
        self.host, self.port = place.hostname, place.port
        self.request = (
            f"GET /api/v1/stream/ HTTP/1.1\r\nHost: {place.netloc}\r\nX-Forwarded-Proto: https\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        ).encode()
        self.latencies: list[float] = []
        self.received: list[int] = []
        self.connecting = asyncio.Semaphore(CONNECTING)
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        async with self.connecting:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(self.request)
            status = await reader.readline()
            if b" 200 " not in status:
                raise SystemExit(f"the server refused a stream: {status!r}")
            await reader.readuntil(b"retry:")
        self.writers.append(writer)
        asyncio.create_task(self.read(reader))  # noqa: RUF006  ends with the connection

    async def read(self, reader: asyncio.StreamReader) -> None:
        count = len(self.received)
        self.received.append(0)
        while line := await reader.readline():
            if line.startswith(b"data: "):
                now = time.time()
                recorded = datetime.fromisoformat(json.loads(line[6:])["timestamp"]).timestamp()
                self.latencies.append((now - recorded) * 1000)
                self.received[count] += 1


async def fan_out(url: str, streams: int, orders: int, rate: float, live: int) -> dict[str, float]:
    """Opens the streams, places `rate` orders per second, closes the streams. `live` is the live process's id.

    `fewest` and `most` are events on a stream. Raises SystemExit if a stream is refused, and httpx.HTTPError.
    """
    async with httpx.AsyncClient(base_url=f"{url}/api/v1/", timeout=30, headers=PROXY) as http:
        opened = Streams(url, await _log_in(http, "admin"))
        http.headers["Authorization"] = f"Bearer {await _log_in(http, 'customer')}"
        before, _ = _cost(live)
        began = time.monotonic()
        await asyncio.gather(*(opened.open() for _ in range(streams)))
        took = time.monotonic() - began
        memory, used = _cost(live)
        for _ in range(orders):
            began = time.monotonic()
            (await http.post("orders/", json=ORDER, headers={"Idempotency-Key": str(uuid4())})).raise_for_status()
            await asyncio.sleep(max(0.0, 1 / rate - (time.monotonic() - began)))
        await asyncio.sleep(SETTLE)
        after, now = _cost(live)
        for writer in opened.writers:
            writer.close()
    return {
        "p50_ms": percentile(opened.latencies, 0.50),
        "p99_ms": percentile(opened.latencies, 0.99),
        "streams": float(streams),
        "opened_per_second": streams / took,
        "fewest": float(min(opened.received)),
        "most": float(max(opened.received)),
        "kib_per_stream": (memory - before) * 1024 / streams,
        "rss_mib": after,
        "cpu_us_per_event_and_stream": (now - used) * 1e6 / max(1, len(opened.latencies)),
    }


def _cost(live: int) -> tuple[float, float]:
    """Resident memory in MiB and CPU seconds."""
    roots = {"live": live}
    return cpu.resident_mib(roots)["live"], cpu.seconds(roots)["live"]


async def _log_in(http: httpx.AsyncClient, name: str) -> str:
    answer = await http.post("auth/token/", json={"username": name, "password": name})
    return str(answer.raise_for_status().json()["access"])


def _live_process() -> int:
    """The id of the live process on this machine."""
    return next(
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "orderproject.live" in (process.info["cmdline"] or [])
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sse_fanout")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--rate", type=float, default=1.0, help="orders per second")
    options = parser.parse_args()
    figures = asyncio.run(fan_out(options.url, options.streams, options.orders, options.rate, _live_process()))
    for name, value in figures.items():
        print(f"{name:>28} {value:10.1f}")


if __name__ == "__main__":
    main()
