"""Live streams while Valkey or PostgreSQL is away, read at the port of their own process."""

from __future__ import annotations

from uuid import uuid4

import httpx

from events.log.append import emit
from orderproject.accounts.auth import access_token
from orderproject.stack.ports import HOST, free_port
from payments.events import PaymentVoided
from tests.chaos.conftest import Opening
from tests.chaos.doors import Door
from tests.integration.api import user
from tests.sse import Reader


def test_without_valkey_and_after_postgresql_was_away_nothing_is_missing(opening: Opening) -> None:
    nowhere = f"redis://{HOST}:{free_port()}/0"
    with Door.to_postgres() as door, opening("live", database_port=door.port, variables={"REDIS_URL": nowhere}) as shop:
        token = str(access_token(user("", "events.view_storedevent")))
        with Reader(f"http://{HOST}:{shop.deployment.live_port}/api/v1/stream/", token) as reader:
            assert reader.opened.wait(20)
            emit([PaymentVoided(order_id=uuid4())])
            shop.wait_until(lambda: len(reader.received) == 1, 5)

            door.shut()
            shop.wait_until(lambda: "wait for the database" in shop.processes["live"].output(), 10)
            emit([PaymentVoided(order_id=uuid4()), PaymentVoided(order_id=uuid4())])
            door.open()
            shop.wait_until(lambda: len(reader.received) == 3, 20)
        assert reader.ends[:-1] == [], "the stream itself outlasts both"


def test_a_stream_that_cannot_begin_says_so(opening: Opening) -> None:
    with Door.to_postgres() as door, opening("live", database_port=door.port) as shop:
        door.shut()
        answer = httpx.get(
            f"http://{HOST}:{shop.deployment.live_port}/api/v1/stream/",
            headers={"Authorization": f"Bearer {access_token(user())}", "X-Request-ID": "mine"},
            timeout=20,
        )
        assert answer.status_code == 503
        assert answer.json()["type"] == "unavailable"
        assert answer.headers["Retry-After"]
        assert answer.headers["X-Request-ID"] == "mine"
        assert httpx.get(f"http://{HOST}:{shop.deployment.live_port}/livez").status_code == 200
