"""`python -m bench.sse_fanout --url http://127.0.0.1:8000 --streams 1000`: many open streams, and orders meanwhile.

Needs a running stack with its seeded catalogue (`DEMO=0 make run`). Every stream follows everything, so each order's
events go to all of them. Latency is from the event's own timestamp, taken before its transaction commits, to the line
with its data at the client; the clients are on the same machine and take their share of it.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil

from bench.light_load import ORDER

CONNECTING = 50


class Streams:
    def __init__(self, url: str, token: str) -> None:
        place = urlsplit(url)
        self.host, self.port = place.hostname, place.port
        self.request = (
            f"GET /api/v1/stream/ HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
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
                raise SystemExit(f"a stream was refused: {status!r}")
            await reader.readuntil(b"retry:")
        self.writers.append(writer)
        asyncio.create_task(self.read(reader))  # noqa: RUF006  ends with the connection

    async def read(self, reader: asyncio.StreamReader) -> None:
        count = len(self.received)
        self.received.append(0)
        while line := await reader.readline():
            if line.startswith(b"data: "):
                now = time.time()
                told = datetime.fromisoformat(json.loads(line[6:])["timestamp"]).timestamp()
                self.latencies.append((now - told) * 1000)
                self.received[count] += 1


def live_processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline"]):
        if "orderproject.live" in (process.info["cmdline"] or []):
            yield process


def cost() -> tuple[float, float]:
    """MiB and seconds of CPU, of all processes of live streams on this machine."""
    found = list(live_processes())
    times = [process.cpu_times() for process in found]
    return sum(p.memory_info().rss for p in found) / 2**20, sum(t.user + t.system for t in times)


async def log_in(http: httpx.AsyncClient, name: str) -> str:
    answer = await http.post("auth/token/", json={"username": name, "password": name})
    return str(answer.raise_for_status().json()["access"])


async def run(options: argparse.Namespace) -> None:
    async with httpx.AsyncClient(base_url=f"{options.url}/api/v1/", timeout=30) as http:
        streams = Streams(options.url, await log_in(http, "admin"))
        http.headers["Authorization"] = f"Bearer {await log_in(http, 'customer')}"
        before, _ = cost()
        began = time.monotonic()
        await asyncio.gather(*(streams.open() for _ in range(options.streams)))
        memory, used = cost()
        print(f"{options.streams} streams opened in {time.monotonic() - began:.1f} s; ", end="")
        print(f"{memory:.0f} MiB, of which {(memory - before) * 1024 / options.streams:.0f} KiB for each stream")
        for _ in range(options.orders):
            began = time.monotonic()
            (await http.post("orders/", json=ORDER, headers={"Idempotency-Key": str(uuid4())})).raise_for_status()
            await asyncio.sleep(max(0.0, 1 / options.rate - (time.monotonic() - began)))
        await asyncio.sleep(3)
        after, now = cost()
        times = sorted(streams.latencies)
        fewest, most = min(streams.received), max(streams.received)
        p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
        print(f"{options.orders} orders, {options.rate:g} a second: {fewest} to {most} events on each stream")
        print(f"recorded to received: p50 {p50:.0f} ms, p99 {p99:.0f} ms; ", end="")
        print(f"{(now - used) * 1e6 / len(times):.0f} µs of CPU for each event and stream; {after:.0f} MiB in the end")
        for writer in streams.writers:
            writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sse_fanout")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--rate", type=float, default=1.0, help="orders a second")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
