"""`python -m bench.accepting`: measures the CPU time and the round trips of accepting one order.

It calls the WSGI application in this process from one thread, with production's middleware, on private servers. Per
order it prints the milliseconds of CPU in Python, in PostgreSQL (all processes) and in Valkey, and the numbers of
statements and round trips. It prints the minimum and the median of many short rounds, because other load on the machine
only adds time. With `--batch 32` it also measures writing 32 orders in one group, without HTTP.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from bench.sample import Sample, append
from bench.servers import Servers, servers

SKUS = 50
WARM_UP = 200
TRACED = 20
PATH = "/api/v1/orders/"
ADDRESS = {"name": "Ada", "line1": "1 Mill Lane", "city": "Berlin", "postalCode": "10115", "country": "DE"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.accepting")
    parser.add_argument("--orders", type=int, default=100, help="orders per round")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--key", action="store_true", help="authenticate with an API key instead of an access token")
    parser.add_argument("--batch", type=int, default=0, help="also write groups of this many orders without HTTP")
    parser.add_argument("--profile", type=Path, help="write a profile of the Python functions to this file")
    parser.add_argument("--samples", type=Path, help="append one line of JSON per round to this file")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="accepting-", ignore_cleanup_errors=True) as folder,
        servers(_open_to_all(Path(folder))) as private,
    ):
        _settle_in(private)
        _measure(private, Shop(by_key=options.key), options)
        _close()


def _measure(private: Servers, shop: Shop, options: argparse.Namespace) -> None:
    shop.place(WARM_UP)
    statements, trips = _traced(shop)
    rounds = [_cost(private, options.orders, lambda: shop.place(options.orders)) for _ in range(options.rounds)]
    print("           python ms  postgres ms  valkey ms  orders/s")
    for name, choose in (("least", min), ("median", statistics.median)):
        chosen = {figure: choose(one[figure] for one in rounds) for figure in rounds[0]}
        chosen |= {"statements": statements, "round_trips": trips}
        print(
            f"{name:10} {chosen['python_ms']:9.3f}  {chosen['postgres_ms']:11.3f}  {chosen['valkey_ms']:9.3f}  "
            f"{chosen['per_second']:8.0f}"
        )
        if options.samples:
            append(options.samples, Sample(scenario="accepting", contender=f"ours, {name}", figures=chosen))
    print(f"{statements:g} statements in {trips:g} round trips, {chosen['valkey_commands']:g} commands of Valkey")
    if options.batch:
        written = [_cost(private, options.orders, lambda: shop.write(options.orders, options.batch)) for _ in rounds]
        python, postgres = (min(one[name] for one in written) for name in ("python_ms", "postgres_ms"))
        print(f"groups of {options.batch} without HTTP: {python:.3f} ms of Python, {postgres:.3f} ms of PostgreSQL")
    if options.profile:
        _profile(shop, options.orders, options.profile)


def _profile(shop: Shop, orders: int, file: Path) -> None:
    profile = cProfile.Profile()
    profile.runcall(shop.place, orders)
    with file.open("w") as output:
        stats = pstats.Stats(profile, stream=output)
        stats.sort_stats("tottime").print_stats(70)
        stats.sort_stats("cumulative").print_stats(120)


def _open_to_all(folder: Path) -> Path:
    folder.chmod(0o755)  # under root, PostgreSQL runs as another user
    return folder


def _settle_in(private: Servers) -> None:
    """Configures Django for these servers and creates the schema and the products."""
    os.environ |= {
        "ENVIRONMENT": "stack",
        "DATABASE_URL": private.database("accepting"),
        "REDIS_URL": private.redis_url,
        "BROKER_URL": private.redis_url,
        "DJANGO_SETTINGS_MODULE": "orderproject.settings",
        "RATE_LIMIT": "100000000",  # enabled, but never exceeded
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from inventory.models import Product

    call_command("migrate", interactive=False, verbosity=0)
    Product.objects.bulk_create(
        Product(sku=f"SKU-{number:02}", name=f"Product {number}", price="9.90") for number in range(SKUS)
    )
    connection.close()


def _close() -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


class Shop:
    """A client that calls the WSGI application in this process."""

    def __init__(self, *, by_key: bool) -> None:
        from django.core.wsgi import get_wsgi_application

        self.application: Callable[..., Any] = get_wsgi_application()
        self.credentials = _key() if by_key else _token()
        self.numbers = random.Random(1)

    def place(self, orders: int) -> None:
        for _ in range(orders):
            self._place()

    def write(self, orders: int, batch: int) -> None:
        """Writes groups of `batch` orders, as the view does for concurrent requests."""
        from events.log.context import Context
        from orders.api.serializers import NewOrder
        from orders.placing.accepting import Asked, _accept_group
        from orders.placing.idempotency import Once

        for _ in range(orders // batch):
            news = [NewOrder.of(self._order()) for _ in range(batch)]
            onces = [Once.under(str(uuid4()), uuid4(), "POST", b"") for _ in news]
            _accept_group([Asked(once, new, Context()) for once, new in zip(onces, news, strict=True)])

    def _order(self) -> dict[str, Any]:
        return {
            "currency": "EUR",
            "email": "ada@example.com",
            "paymentToken": "tok_visa",
            "shippingAddress": ADDRESS,
            "items": [
                {"sku": f"SKU-{number:02}", "quantity": quantity}
                for quantity, number in enumerate(self.numbers.sample(range(SKUS), 2), 1)
            ],
        }

    def _place(self) -> None:
        body = msgspec.json.encode(self._order())
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        response = self.application(self._environ(body), lambda *head: heads.append(head))
        answer = b"".join(response)
        response.close()
        ((status, headers),) = heads
        if status != "201 Created" or "Idempotency-Replayed" in dict(headers):
            raise SystemExit(f"{heads}: {answer.decode()}")

    def _environ(self, body: bytes) -> dict[str, Any]:
        """A WSGI environment as gunicorn creates it."""
        return {
            "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), "wsgi.multithread": True,
            "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True, "wsgi.url_scheme": "http", "SERVER_SOFTWARE": "bench",
            "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000",
            "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "40000", "SCRIPT_NAME": "",
            "REQUEST_METHOD": "POST", "PATH_INFO": PATH, "RAW_URI": PATH, "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_ACCEPT": "*/*", "HTTP_ACCEPT_ENCODING": "gzip, deflate", "HTTP_CONNECTION": "keep-alive",
            "HTTP_USER_AGENT": "bench", "HTTP_AUTHORIZATION": self.credentials, "HTTP_IDEMPOTENCY_KEY": str(uuid4()),
        }  # fmt: skip


def _token() -> str:
    from orderproject.accounts.auth import access_token
    from orderproject.models import User

    return f"Bearer {access_token(User.objects.create_user('ada', 'ada@example.com', 'secret'))}"


def _key() -> str:
    from orderproject.accounts.api_keys import SCHEME, issue
    from orderproject.models import ApiKey, User

    user = User.objects.create_user("ada", "ada@example.com", "secret")
    return f"{SCHEME} {issue(ApiKey(user=user, name='bench'), actor='bench')}"


def _cost(private: Servers, orders: int, place: Callable[[], None]) -> dict[str, float]:
    import redis

    valkey = redis.Redis.from_url(private.redis_url)
    before = _seconds(private), _commands(valkey), time.monotonic(), time.process_time()
    place()
    python, took = time.process_time() - before[3], time.monotonic() - before[2]
    postgres, cache = (after - earlier for after, earlier in zip(_seconds(private), before[0], strict=True))
    return {
        "python_ms": 1000 * python / orders,
        "postgres_ms": 1000 * postgres / orders,
        "valkey_ms": 1000 * cache / orders,
        "per_second": orders / took,
        "valkey_commands": (_commands(valkey) - before[1] - 1) / orders,
    }


def _commands(valkey: Any) -> int:
    return int(valkey.info("stats")["total_commands_processed"])


def _seconds(private: Servers) -> tuple[float, float]:
    """The CPU seconds that PostgreSQL and Valkey have used so far."""
    pids = private.postgres.process.pid, private.valkey.process.pid
    assert all(pids)
    return _of_tree(pids[0]), _of_tree(pids[1])


def _of_tree(pid: int | None) -> float:
    """CPU seconds of the running processes. Processes that have ended do not count."""
    used = 0.0
    for process in _tree(str(pid)):
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{process}/task").iterdir():
                nanoseconds, *_ = (thread / "schedstat").read_text().split()
                used += int(nanoseconds) / 1e9
    return used


def _tree(pid: str) -> Iterator[str]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                yield from _tree(child)


def _traced(shop: Shop) -> tuple[float, float]:
    """Statements and round trips per order, counted in libpq's trace of the pool's only connection."""
    from django.db import connection
    from psycopg.pq import Trace

    connection.close()
    pool = connection.pool  # type: ignore[attr-defined]
    with tempfile.TemporaryFile("w+b") as file:
        with pool.connection() as one:
            one.pgconn.trace(file.fileno())
            one.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        shop.place(TRACED)
        connection.close()
        with pool.connection() as one:
            one.pgconn.untrace()
        file.seek(0)
        sent = Counter(line.split()[2] for line in file if line.startswith(b"F\t"))
    return (sent[b"Execute"] + sent[b"Query"]) / TRACED, (sent[b"Sync"] + sent[b"Query"]) / TRACED


if __name__ == "__main__":
    main()
