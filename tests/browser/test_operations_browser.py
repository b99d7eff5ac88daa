"""The operations page in a browser: it follows by itself, rests in a hidden tab, and says when it cannot know."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from playwright.sync_api import Page, Route, expect

from orderproject.operations import sampling
from orderproject.stack.ports import free_port
from orderproject.stack.processes import PROJECT
from tests import stories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

STREAM = "**/admin/operations/stream/**"
LIVE = f"live of {os.getpid()}"
"""The name of its connections in PostgreSQL."""
DEAD = "#now .tile:has-text('Dead') b"
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class Live:
    """The process for live streams, on the database of this test."""

    def __init__(self) -> None:
        self.url = f"http://localhost:{free_port()}"  # as the web server's, so that it gets the same cookies
        name: Any = connection.settings_dict["NAME"]
        database = f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{name}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orderproject.live", "--port", self.url.rpartition(":")[2]],
            cwd=PROJECT,
            env=os.environ | {"PGAPPNAME": LIVE, "DATABASE_URL": database},
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/livez", timeout=1):
                return True
        except OSError:
            return False

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def asked(page: Page, live_server: Any) -> Iterator[list[str]]:
    """Sends the page's stream to the live process, as nginx does; the addresses that were asked for."""
    live, asked = Live(), []

    def pass_on(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_(url=route.request.url.replace(live_server.url, live.url))

    page.route(STREAM, pass_on)
    yield asked
    page.goto("about:blank")
    live.end()


def test_it_follows_by_itself_rests_in_a_hidden_tab_and_tells_of_an_outage(page: Page, asked: list[str]) -> None:
    sampling.sample()
    page.goto("/admin/operations/?range=24h")
    state = page.locator("#operations")
    expect(state).to_have_attribute("data-state", "live", timeout=20_000)
    assert asked[0].endswith("?range=24h")
    expect(page.locator(DEAD)).to_have_text("0")
    stories.dead_delivery(stories.placed())
    expect(page.locator(DEAD)).to_have_text("1", timeout=10_000)
    expect(page.locator("#as-of")).to_contain_text("s ago")
    assert "UTC" not in page.locator("#at time").inner_text()

    page.evaluate(HIDE, True)
    expect(state).to_have_attribute("data-state", "hidden")
    stories.dead_delivery(stories.placed())
    page.wait_for_timeout(4_000)
    expect(page.locator(DEAD)).to_have_text("1")
    assert len(asked) == 1
    page.evaluate(HIDE, False)
    expect(page.locator(DEAD)).to_have_text("2", timeout=10_000)
    assert len(asked) == 2

    with database_away():
        expect(page.locator("#trouble")).to_contain_text("PostgreSQL does not answer", timeout=30_000)
        expect(state).to_have_attribute("data-state", "away")
        expect(page.locator(DEAD)).to_have_text("2")
    expect(state).to_have_attribute("data-state", "live", timeout=30_000)
    expect(page.locator("#trouble")).to_have_text("")


@contextmanager
def database_away() -> Iterator[None]:
    """For the live process: its connections are cut, and nobody gets a new one."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as elsewhere:
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        try:
            elsewhere.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [LIVE]
            )
            yield
        finally:
            elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


def test_nothing_runs_out_of_it_and_it_says_that_no_stream_is_there(page: Page) -> None:
    sampling.sample()
    page.route(STREAM, lambda route: route.abort())
    page.goto("/admin/operations/")
    expect(page.locator("#trouble")).to_contain_text("interrupted")
    for width in (420, 1440):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
