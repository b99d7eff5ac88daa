"""`python -m orderproject.demo.client`: a command-line client that uses only the REST API.

    login --url http://127.0.0.1:8000 --username customer
    products
    place MUG-RED=2 TEA --token tok_visa --watch
    place MUG-RED=2 --idempotency-key order-4711
    orders --status pending
    show 0199…
    watch 0199…
    cancel 0199… --reason "ordered by mistake"
    cancel 0199… MUG-RED=1 --yes
    return 0199… MUG-RED=1 --reason "too red"
    returns --status requested
    approve 0199…
    reject 0199… --reason "worn"
    receive 0199… MUG-RED=1 --write-off MUG-RED=1 --warehouse BER
    refund 0199… 5.00 --reason "arrived late"

`place`, `return` and `refund` say their idempotency key on stderr. If the answer was lost, repeat the command with that
key: it never does the same a second time.

The tokens are stored in a file that only the user can read; ORDERS_SESSION sets its path.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.table import Table

from desk.console import quiet_pipes, visible
from orderproject.demo.client_returns import add_return_commands
from orderproject.demo.shop import (
    ClientError,
    Session,
    Shop,
    add_key_option,
    console,
    item_of,
    money_text,
    post_once,
    say,
)

ENDS = {
    "order.confirmed",
    "order.cancelled",
    "order.shipped",
    "order.items_cancelled",
    "order.delivered",
    "order.returned",
}
NO_SECOND_ORDER = "places no second order"
REFUND_WAIT = 60.0
"""Seconds for which `watch` waits for a refund that is pending."""


# --- the commands ----------------------------------------------------------------------------------------------


def login(options: argparse.Namespace, session: Session) -> None:
    password = os.environ.get("ORDERS_PASSWORD") or getpass.getpass(f"Password of {options.username}: ")
    Shop(options.url, session).log_in(options.username, password)
    say(f"Logged in at {options.url} as {options.username}.")


def products(options: argparse.Namespace, session: Session) -> None:
    table = Table("sku", "name", "price", "available")
    for one in Shop.of(session).get("products/", search=options.search, limit="200")["results"]:
        cells = (one["sku"], one["name"], money_text(one["price"]), str(one["available"]))
        table.add_row(*map(visible, cells))
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
        "items": [item_of(text) for text in options.items],
    }
    answer = post_once(shop, "orders/", body, options.idempotency_key, NO_SECOND_ORDER)
    if answer.headers.get("Idempotency-Replayed") == "true":
        sys.stderr.write("This order was placed before, with the same key. No second one was placed.\n")
    order = answer.json()
    _print(order)
    if options.watch:
        _watch(shop, order["id"])


def orders(options: argparse.Namespace, session: Session) -> None:
    for one in Shop.of(session).get("orders/", status=options.status)["results"]:
        parts = (
            one["id"],
            one["number"],
            f"{one['status']:9}",
            one["createdAt"],
            money_text(one["total"]),
            *_refund(one),
        )
        say("  ".join(parts))


def show(options: argparse.Namespace, session: Session) -> None:
    _print(Shop.of(session).get(f"orders/{options.order}/", atVersion=options.at_version))


def watch(options: argparse.Namespace, session: Session) -> None:
    _watch(Shop.of(session), options.order)


def cancel(options: argparse.Namespace, session: Session) -> None:
    """Shows what is cancelled and refunded, and asks, if there is a person to ask."""
    shop, path = Shop.of(session), f"orders/{options.order}/"
    answer = shop.ask("GET", path)
    order, items = answer.json(), [item_of(text) for text in options.items]
    say(f"{order['number']}  {order['status']}  to be cancelled:")
    for line in _to_cancel(order, items):
        say(f"  {line}")
    if not options.yes and not _agreed("Cancel permanently?"):
        raise ClientError("Nothing was cancelled.")
    body = {"reason": options.reason} | ({"items": items} if items else {})
    # What was shown is what is cancelled. An order of which nothing is shipped is cancelled as a whole in any version.
    seen = {"If-Match": answer.headers["ETag"]} if order["status"] == "partially_shipped" else {}
    _print(shop.ask("POST", f"{path}cancel/", json=body, headers=seen).json())


def _agreed(question: str) -> bool:
    """Asks the person at the terminal. Without one, as in a script, the command itself is the agreement."""
    return not sys.stdin.isatty() or input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _to_cancel(order: dict[str, Any], items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each product, and one for the money. Without `items`: all that is not shipped."""
    chosen = {item["sku"]: item["quantity"] for item in items}
    cost = Decimal(0)
    for line in order["items"]:
        left = line["quantity"] - line["shippedQuantity"] - line["cancelledQuantity"]
        if quantity := chosen.get(line["sku"], 0 if chosen else left):
            cost += quantity * Decimal(line["unitPrice"]["amount"])
            yield f"{quantity} x {line['sku']}  {line['name']}"
    if order["status"] == "pending":
        yield "nothing is charged"
    else:
        yield f"refund: {cost} {order['currency']}, less what was refunded before"


def _watch(shop: Shop, order_id: str) -> None:
    """Prints events until the order reaches a status that only a further request changes."""
    version = shop.get(f"orders/{order_id}/")["version"]
    for event in shop.follow(order_id):
        envelope = event.json()
        say(f"{envelope['timestamp']}  {event.event:24} {_brief(envelope['data'])}")
        if event.event in ENDS and envelope["streamVersion"] >= version:
            _watch_refund(shop, order_id)
            return


def _watch_refund(shop: Shop, order_id: str) -> None:
    """Prints the refund when it changes, until it is no longer pending: the order's own events do not tell."""
    printed: list[str] = []
    deadline = time.monotonic() + REFUND_WAIT
    while (order := shop.get(f"orders/{order_id}/")) and (refund := _refund(order)):
        if refund != printed:
            console.print(*refund)
        printed = refund
        if order["payment"]["refund"]["status"] != "pending" or time.monotonic() > deadline:
            return
        time.sleep(1)


def _brief(data: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in data.items() if isinstance(value, str) and value)


def _print(order: dict[str, Any]) -> None:
    say(f"{order['number']}  {order['status']}  {money_text(order['total'])}  {order['id']}")
    for item in order["items"]:
        cancelled = f", {item['cancelledQuantity']} cancelled" if item["cancelledQuantity"] else ""
        say(f"  {item['quantity']} x {item['sku']}  {item['name']}  {money_text(item['lineTotal'])}{cancelled}")
    reason = order["cancelReason"] or order["payment"]["reason"]
    say(f"  payment {order['payment']['status']}{f', {reason}' if reason else ''}")
    for refund in _refund(order):
        say(f"  {refund}")


def _refund(order: dict[str, Any]) -> list[str]:
    """Says whether the customer has the money back; empty if nothing was or is to be refunded."""
    refund = order["payment"].get("refund")
    return [f"refund {refund['status']} {money_text(refund['amount'])}"] if refund else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orderproject.demo.client", description="Use the shop from a terminal."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace, Session], None], text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(run.__name__, help=text, description=text)
        one.set_defaults(run=run)
        return one

    one = command(login, "log in; reads the password from ORDERS_PASSWORD or asks for it")
    one.add_argument("--url", default="http://127.0.0.1:8000")
    one.add_argument("--username", default="customer")
    command(products, "list the products for sale").add_argument("--search", default="")
    one = command(place, "place an order")
    one.add_argument("items", nargs="+", metavar="SKU[=QUANTITY]")
    one.add_argument("--token", default="tok_visa", help="a token of the card processor (%(default)s)")
    one.add_argument("--currency", default="EUR")
    one.add_argument("--email", default="ada@example.com")
    one.add_argument("--name", default="Ada Lovelace")
    one.add_argument("--line1", default="12 Tea Street")
    one.add_argument("--city", default="Berlin")
    one.add_argument("--postal-code", default="10115")
    one.add_argument("--country", default="DE")
    add_key_option(one, NO_SECOND_ORDER)
    one.add_argument("--watch", action="store_true", help="follow the order until it is confirmed or cancelled")
    command(orders, "list your orders, newest first").add_argument("--status", default="")
    one = command(show, "show an order")
    one.add_argument("order")
    one.add_argument("--at-version", default="", help="show the order at this version")
    command(watch, "follow an order live, from its first event").add_argument("order")
    one = command(cancel, "cancel an order, or what of it has not been shipped")
    one.add_argument("order")
    one.add_argument(
        "items",
        nargs="*",
        metavar="SKU[=QUANTITY]",
        help="of a partially shipped order; by default all that is unshipped",
    )
    one.add_argument("--yes", action="store_true", help="do not ask")
    one.add_argument("--reason", default="ordered by mistake")
    add_return_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None, session: Session | None = None) -> int:
    """Runs a command. Returns the exit code: 0, or 1 after printing an error on stderr."""
    try:
        with quiet_pipes():
            options = _parser().parse_args(arguments)
            options.run(options, session or Session())
    except ClientError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
