"""`GET /livez` of a process that serves nothing else: it knows "alive but not consuming"."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from events.livez import serve
from events.log import emit
from orderproject.stack.ports import HOST, free_port
from orderproject.stack.processes import Process
from orderproject.stack.table import spec
from tests.acceptance.shop import Shop
from tests.chaos.conftest import Opening
from tests.chaos.hurting.lingering import Lingered, tries

HURTING = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting"}


@contextmanager
def process_with_livez(shop: Shop, name: str) -> Iterator[tuple[Process, str]]:
    """And where it answers. A silence of four seconds is long enough for a test."""
    port = free_port()
    usual = spec(shop.deployment, name)
    mine = replace(usual, env={**(usual.env or {}), **HURTING, "LIVEZ_ADDRESS": f"{HOST}:{port}"})
    process = Process(mine, shop.folder / "logs" / f"{name}.log")
    process.start()
    try:
        process.wait_ready(60)
        yield process, f"http://{HOST}:{port}/livez?olderThan=4"
    finally:
        process.stop()


def ask(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error) | {"contentType": error.headers["Content-Type"]}
    except urllib.error.URLError:  # not yet
        return 0, {}


def becomes(shop: Shop, url: str, status: int) -> dict[str, Any]:
    shop.wait_until(lambda: ask(url)[0] == status, 30)
    return ask(url)[1]


def test_a_relay_that_is_held_up_says_so_and_recovers(opening: Opening) -> None:
    with opening() as shop, process_with_livez(shop, "relay") as (process, url):
        assert becomes(shop, url, 200) == {"status": "ok"}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE events_delivery IN ACCESS EXCLUSIVE MODE")
            problem = becomes(shop, url, 503)
        assert (problem["type"], problem["status"], problem["instance"]) == ("silent", 503, "/livez")
        assert problem["contentType"] == "application/problem+json"
        assert problem["detail"].startswith("relay is silent for ")
        becomes(shop, url, 200)
        assert process.running
        assert ask(url.replace("livez?olderThan=4", "readyz"))[0] == 404
        assert ask(url.replace("=4", "=soon"))[0] == 400


def test_a_worker_that_runs_and_finishes_nothing_says_so(opening: Opening) -> None:
    with opening("relay", variables=HURTING) as shop, process_with_livez(shop, "worker-network") as (_, url):
        becomes(shop, url, 200)
        visitor = uuid4()
        emit([Lingered(visitor_id=visitor, who="outside")])
        shop.wait_until(lambda: tries("outside", visitor) == 1, 30)
        assert ask(url)[0] == 200  # a task that runs is no reason yet
        assert becomes(shop, url, 503)["detail"].startswith("network is silent for ")


def test_beat_answers_too(opening: Opening) -> None:
    with opening() as shop, process_with_livez(shop, "beat") as (_, url):
        assert becomes(shop, url.replace("=4", "=20"), 200) == {"status": "ok"}


def test_an_address_that_is_taken_ends_the_process(opening: Opening) -> None:
    with opening() as shop, socket.create_server((HOST, 0)) as other:
        usual = spec(shop.deployment, "relay")
        env = {**(usual.env or {}), "LIVEZ_ADDRESS": f"{HOST}:{other.getsockname()[1]}"}
        relay = Process(replace(usual, env=env), shop.folder / "logs" / "relay.log")
        relay.start()
        assert relay.wait(30)
        assert relay.returncode == 1
        assert "Address already in use" in relay.output()


@pytest.mark.parametrize("address", ["8001", ":8001", "here:there", "here:"])
def test_an_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEZ_ADDRESS", address)
    with pytest.raises(OSError, match="it must be a host and a port"):
        serve("somebody")
