"""What the commands of the terminal client share: the session, the API, and how values are read and printed."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from httpx_sse import ServerSentEvent, connect_sse

from desk.console import DataConsole, visible

console = DataConsole(soft_wrap=True)
STREAMING = httpx.Timeout(10, read=45)
"""The read timeout is three times the interval of the stream's comments."""
KEY = re.compile(r"[!-~]{1,255}\Z")
RETRIES = 10
"""How often a lost stream is reopened before the client gives up."""


class ClientError(Exception):
    """A message for the user. The program prints it and exits with code 1."""


class Session:
    """The server's URL and the tokens, in a file that only its owner can read."""

    def __init__(self, file: Path | None = None) -> None:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self.file = file or Path(os.environ.get("ORDERS_SESSION") or Path(home) / "orders" / "session.json")

    def save(self, **values: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as target:
            json.dump(values, target)

    def load(self) -> dict[str, str]:
        """Raises ClientError if the user has not logged in."""
        try:
            values: dict[str, str] = json.loads(self.file.read_text())
        except (FileNotFoundError, ValueError) as error:
            raise ClientError("Log in first: python -m orderproject.demo.client login") from error
        return values


class Shop:
    """A client of the API. Its methods raise ClientError with the server's error message."""

    def __init__(self, url: str, session: Session) -> None:
        self.url, self.session = url.rstrip("/"), session
        self.http = httpx.Client(base_url=f"{self.url}/api/v1/", timeout=30, trust_env=False)

    @classmethod
    def of(cls, session: Session) -> Shop:
        values = session.load()
        shop = cls(values["url"], session)
        shop.http.headers["Authorization"] = f"Bearer {values['access']}"
        return shop

    def log_in(self, username: str, password: str) -> None:
        tokens = self._ask("POST", "auth/token/", json={"username": username, "password": password}).json()
        self.session.save(url=self.url, access=tokens["access"], refresh=tokens["refresh"])

    def get(self, path: str, **parameters: str) -> Any:
        return self.ask("GET", path, params={name: value for name, value in parameters.items() if value}).json()

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Sends a request; renews an expired access token once."""
        answer = self._send(method, path, **request)
        if answer.status_code == 401:
            self._refresh()
            answer = self._send(method, path, **request)
        return _checked(answer)

    def follow(self, order_id: str) -> Iterator[ServerSentEvent]:
        """Yields the order's events from the first one, each once. Resumes a lost stream after the last event."""
        last = "0"
        for _ in range(RETRIES):
            headers = {"Last-Event-ID": last}
            try:
                path = f"orders/{order_id}/stream/"
                with connect_sse(self.http, "GET", path, headers=headers, timeout=STREAMING) as source:
                    if source.response.status_code == 401:
                        self._refresh()
                        continue
                    if source.response.status_code != 200:
                        source.response.read()
                        _checked(source.response)
                    for event in source.iter_sse():
                        last = event.id or last
                        if event.data:
                            yield event
            except httpx.TransportError:
                time.sleep(1)
        raise ClientError(f"The stream was lost {RETRIES} times. Check the server, then try again.")

    def _refresh(self) -> None:
        values = self.session.load()
        answer = self._send("POST", "auth/token/refresh/", json={"refresh": values["refresh"]})
        if answer.status_code != 200:
            raise ClientError("Your session has expired. Log in again: python -m orderproject.demo.client login")
        self.session.save(**{**values, **answer.json()})
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return _checked(self._send(method, path, **request))

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self.http.request(method, path, **request)
        except httpx.TransportError as error:
            raise ClientError(
                f"{self.url} does not answer ({error}). Check that the server runs and that the URL is right."
            ) from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        places = [f"  {one['pointer']}: {one['detail']}" for one in problem["errors"]]
        lines = [f"{answer.status_code}: {problem['detail']}", *places]
    except (ValueError, KeyError, TypeError):
        lines = [f"{answer.status_code}: {answer.text[:200]}"]
    raise ClientError("\n".join(map(visible, lines)))


# --- values, in and out -----------------------------------------------------------------------------------------


def say(line: str) -> None:
    """Prints one line. Names are shown as they are, so none can add a line, a colour or a command to the terminal."""
    console.print(visible(line))


def money_text(money: dict[str, str]) -> str:
    return f"{money['amount']} {money['currency']}"


def idempotency_key(text: str) -> str:
    """A key that an HTTP header can carry."""
    if not KEY.match(text):
        raise argparse.ArgumentTypeError("give 1 to 255 printable ASCII characters without spaces")
    return text


def item_of(text: str) -> dict[str, Any]:
    sku, _, quantity = text.partition("=")
    if quantity and not quantity.isdecimal():
        raise ClientError(f"{text}: write SKU=QUANTITY, such as MUG-RED=2")
    return {"sku": sku, "quantity": int(quantity or 1)}


def post_once(shop: Shop, path: str, body: object, key: str | None, what: str) -> httpx.Response:
    """Posts with an idempotency key and says the key on stderr: a repeat with it does nothing a second time."""
    key = key or str(uuid4())
    sys.stderr.write(f"Idempotency key: {key} (a repeat with --idempotency-key={key} {what})\n")
    return shop.ask("POST", path, json=body, headers={"Idempotency-Key": key})


def add_key_option(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--idempotency-key", "--key", type=idempotency_key, metavar="KEY",
        help=f"a repeat with the same key {what} (default: a new key, which is shown)",
    )  # fmt: skip
