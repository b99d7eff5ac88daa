"""`python -m bench.light_load --url http://127.0.0.1:8000`: placed → confirmed at ten orders a second.

Needs a running stack with its seeded catalogue (`DEMO=0 make run`). The times are the API's own, `createdAt` to
`updatedAt`, in milliseconds; the first twenty orders warm up and do not count.
"""

import argparse
import logging
import statistics
import time
from datetime import datetime
from uuid import uuid4

import httpx

logging.getLogger("httpx").setLevel(logging.WARNING)
WARM_UP = 20
ORDER = {
    "currency": "EUR",
    "email": "ada@example.com",
    "paymentToken": "tok_visa",
    "shippingAddress": {
        "name": "Ada",
        "line1": "1 Mill Lane",
        "city": "Berlin",
        "postalCode": "10115",
        "country": "DE",
    },
    "items": [{"sku": "TEA-ASSAM", "quantity": 1}, {"sku": "FILTER-100", "quantity": 2}],
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.light_load")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--orders", type=int, default=200)
    options = parser.parse_args()
    with httpx.Client(base_url=f"{options.url}/api/v1/", timeout=30) as shop:
        login = shop.post("auth/token/", json={"username": "customer", "password": "customer"})
        shop.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access']}"
        placed = [place(shop) for _ in range(WARM_UP + options.orders)][WARM_UP:]
        time.sleep(3)
        times = sorted(time_to_confirm(shop, order_id) for order_id in placed)
    print(f"{len(times)} orders, placed to confirmed: p50 {statistics.median(times):.1f} ms, ", end="")
    print(f"p90 {times[int(len(times) * 0.9)]:.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms")


def place(shop: httpx.Client) -> str:
    began = time.monotonic()
    answer = shop.post("orders/", json=ORDER, headers={"Idempotency-Key": str(uuid4())}).raise_for_status()
    time.sleep(max(0.0, 0.1 - (time.monotonic() - began)))
    return str(answer.json()["id"])


def time_to_confirm(shop: httpx.Client, order_id: str) -> float:
    order = shop.get(f"orders/{order_id}/").raise_for_status().json()
    if order["status"] != "confirmed":
        raise SystemExit(f"order {order_id} is {order['status']}, so there is nothing to measure")
    created, updated = (datetime.fromisoformat(order[name]) for name in ("createdAt", "updatedAt"))
    return (updated - created).total_seconds() * 1000


if __name__ == "__main__":
    main()
