"""`python -m orderproject.client`: the shop from a terminal. It speaks to the API and knows nothing else.

    login --url http://127.0.0.1:8000 --username customer
    products
    place MUG-RED=2 TEA --token tok_visa --watch
    orders --status pending
    show 0199…
    watch 0199…
    cancel 0199… --reason "ordered by mistake"

The access token is kept in a file of the user's own (ORDERS_SESSION names another one).
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from rich.console import Console
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
STREAMING = httpx.Timeout(10, read=45)
"""A stream that is silent for three of its comments' intervals is dead."""
ENDS = {"order.confirmed", "order.cancelled", "order.shipped", "order.delivered", "order.returned"}
RETRIES = 10
"""How often a lost stream is taken up again before the client gives up."""


class ClientError(Exception):
    """What the user has to know; it is printed, and the program ends with 1."""


class Session:
    """The address and the tokens, in a file that only its owner reads."""

    def __init__(self, file: Path | None = None) -> None:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self.file = file or Path(os.environ.get("ORDERS_SESSION") or Path(home) / "orders" / "session.json")

    def save(self, **values: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as target:
            json.dump(values, target)

    def load(self) -> dict[str, str]:
        """Raises ClientError where nobody has logged in."""
        try:
            values: dict[str, str] = json.loads(self.file.read_text())
        except (FileNotFoundError, ValueError) as error:
            raise ClientError("Log in first: python -m orderproject.client login") from error
        return values


class Shop:
    """The API as its user sees it. Raises ClientError with the server's own words."""

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
        """An access token that has run out is renewed once."""
        answer = self._send(method, path, **request)
        if answer.status_code == 401:
            self._refresh()
            answer = self._send(method, path, **request)
        return _checked(answer)

    def follow(self, order_id: str) -> Iterator[ServerSentEvent]:
        """The order's events from its first one on, each once; a lost stream is taken up where it broke off."""
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
        raise ClientError("The stream was lost again and again.")

    def _refresh(self) -> None:
        values = self.session.load()
        answer = self._send("POST", "auth/token/refresh/", json={"refresh": values["refresh"]})
        if answer.status_code != 200:
            raise ClientError("You have been logged out: log in again.")
        self.session.save(**{**values, **answer.json()})
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return _checked(self._send(method, path, **request))

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self.http.request(method, path, **request)
        except httpx.TransportError as error:
            raise ClientError(f"{self.url} does not answer: {error}") from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        places = [f"  {one['pointer']}: {one['detail']}" for one in problem["errors"]]
        raise ClientError("\n".join([f"{answer.status_code}: {problem['detail']}", *places]))
    except (ValueError, KeyError) as error:
        raise ClientError(f"{answer.status_code}: {answer.text[:200]}") from error


# --- what can be asked for -----------------------------------------------------------------------------------


def login(options: argparse.Namespace, session: Session) -> None:
    password = os.environ.get("ORDERS_PASSWORD") or getpass.getpass(f"Password of {options.username}: ")
    Shop(options.url, session).log_in(options.username, password)
    console.print(f"Logged in at {options.url} as {options.username}.")


def products(options: argparse.Namespace, session: Session) -> None:
    table = Table("sku", "name", "price", "available")
    for one in Shop.of(session).get("products/", search=options.search, limit="200")["results"]:
        table.add_row(one["sku"], one["name"], _money(one["price"]), str(one["available"]))
    console.print(table)


def place(options: argparse.Namespace, session: Session) -> None:
    shop = Shop.of(session)
    body = {
        "currency": options.currency,
        "email": options.email,
        "paymentToken": options.token,
        "shippingAddress": {
            "name": options.name,
            "line1": options.line1,
            "city": options.city,
            "postalCode": options.postal_code,
            "country": options.country,
        },
        "items": [_item(text) for text in options.items],
    }
    key = options.key or str(uuid4())
    order = shop.ask("POST", "orders/", json=body, headers={"Idempotency-Key": key}).json()
    _print(order)
    if options.watch:
        _watch(shop, order["id"])


def orders(options: argparse.Namespace, session: Session) -> None:
    for one in Shop.of(session).get("orders/", status=options.status)["results"]:
        parts = (one["id"], one["number"], f"{one['status']:9}", one["createdAt"], _money(one["total"]))
        console.print("  ".join(parts))


def show(options: argparse.Namespace, session: Session) -> None:
    _print(Shop.of(session).get(f"orders/{options.order}/", atVersion=options.at_version))


def watch(options: argparse.Namespace, session: Session) -> None:
    _watch(Shop.of(session), options.order)


def cancel(options: argparse.Namespace, session: Session) -> None:
    answer = Shop.of(session).ask("POST", f"orders/{options.order}/cancel/", json={"reason": options.reason})
    _print(answer.json())


def _watch(shop: Shop, order_id: str) -> None:
    """Until nothing more is to be expected of the order by itself."""
    version = shop.get(f"orders/{order_id}/")["version"]
    for event in shop.follow(order_id):
        envelope = event.json()
        console.print(f"{envelope['timestamp']}  {event.event:24} {_gist(envelope['data'])}")
        if event.event in ENDS and envelope["streamVersion"] >= version:
            return


def _gist(data: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in data.items() if isinstance(value, str) and value)


def _print(order: dict[str, Any]) -> None:
    console.print(f"{order['number']}  {order['status']}  {_money(order['total'])}  {order['id']}")
    for item in order["items"]:
        console.print(f"  {item['quantity']} x {item['sku']}  {item['name']}  {_money(item['lineTotal'])}")
    reason = order["cancelReason"] or order["payment"]["reason"]
    console.print(f"  payment {order['payment']['status']}{f', {reason}' if reason else ''}")


def _money(money: dict[str, str]) -> str:
    return f"{money['amount']} {money['currency']}"


def _item(text: str) -> dict[str, Any]:
    sku, _, quantity = text.partition("=")
    if quantity and not quantity.isdecimal():
        raise ClientError(f"{text}: write SKU=QUANTITY, such as MUG-RED=2")
    return {"sku": sku, "quantity": int(quantity or 1)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orderproject.client", description="The shop from a terminal.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace, Session], None], text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(run.__name__, help=text, description=text)
        one.set_defaults(run=run)
        return one

    one = command(login, "log in; asks for the password, or takes it from ORDERS_PASSWORD")
    one.add_argument("--url", default="http://127.0.0.1:8000")
    one.add_argument("--username", default="customer")
    command(products, "what is for sale").add_argument("--search", default="")
    one = command(place, "place an order")
    one.add_argument("items", nargs="+", metavar="SKU[=QUANTITY]")
    one.add_argument("--token", default="tok_visa", help="the card processor's token (%(default)s)")
    one.add_argument("--currency", default="EUR")
    one.add_argument("--email", default="ada@example.com")
    one.add_argument("--name", default="Ada Lovelace")
    one.add_argument("--line1", default="12 Tea Street")
    one.add_argument("--city", default="Berlin")
    one.add_argument("--postal-code", default="10115")
    one.add_argument("--country", default="DE")
    one.add_argument("--key", default="", help="idempotency key: the same again places nothing new")
    one.add_argument("--watch", action="store_true", help="follow it until it is confirmed or cancelled")
    command(orders, "your orders, the newest first").add_argument("--status", default="")
    one = command(show, "one order")
    one.add_argument("order")
    one.add_argument("--at-version", default="", help="as it was at this version")
    command(watch, "follow an order live, from its first event on").add_argument("order")
    one = command(cancel, "cancel an order that is not shipped")
    one.add_argument("order")
    one.add_argument("--reason", default="ordered by mistake")
    return parser


def main(arguments: Sequence[str] | None = None, session: Session | None = None) -> int:
    """Returns the exit code: 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, session or Session())
    except ClientError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
