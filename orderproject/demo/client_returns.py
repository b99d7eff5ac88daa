"""The terminal client's commands for returns and refunds. All but `return` and `returns` are for staff."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from orderproject.demo.shop import (
    ClientError,
    Session,
    Shop,
    add_key_option,
    item_of,
    money_text,
    post_once,
    say,
)

NO_SECOND_RETURN = "requests no second return"
NO_SECOND_REFUND = "refunds nothing a second time"


def request_return(options: argparse.Namespace, session: Session) -> None:
    body = {"items": [item_of(text) for text in options.items], "reason": options.reason}
    path = f"orders/{options.order}/returns/"
    _print(post_once(Shop.of(session), path, body, options.idempotency_key, NO_SECOND_RETURN).json())


def list_returns(options: argparse.Namespace, session: Session) -> None:
    found = Shop.of(session).get("returns/", status=options.status, order=options.order)["results"]
    for taken in found:
        _print(taken)
    if not found:
        say("No returns.")


def approve(options: argparse.Namespace, session: Session) -> None:
    _print(Shop.of(session).ask("POST", f"returns/{options.taken}/approve/").json())


def reject(options: argparse.Namespace, session: Session) -> None:
    _print(Shop.of(session).ask("POST", f"returns/{options.taken}/reject/", json={"reason": options.reason}).json())


def receive(options: argparse.Namespace, session: Session) -> None:
    """Without items nothing arrived, so that nothing is refunded: that must be said with --nothing."""
    pieces = [
        *({**item_of(text), "condition": "restock"} for text in options.items),
        *({**item_of(text), "condition": "write_off"} for text in options.write_off),
    ]
    if bool(pieces) == options.nothing:
        raise ClientError("Say what arrived, such as MUG-RED=1 or --write-off MUG-RED=1; or only --nothing.")
    body = {"items": pieces, "warehouse": options.warehouse}
    _print(Shop.of(session).ask("POST", f"returns/{options.taken}/receive/", json=body).json())


def refund(options: argparse.Namespace, session: Session) -> None:
    shop, path = Shop.of(session), f"orders/{options.order}/"
    currency = shop.get(path)["currency"]
    body = {"amount": {"amount": options.amount, "currency": currency}, "reason": options.reason}
    answer = post_once(shop, f"{path}refunds/", body, options.idempotency_key, NO_SECOND_REFUND).json()
    say(f"refund {money_text(answer['amount'])} of order {answer['order']['number']}  {answer['id']}")


def _print(taken: dict[str, Any]) -> None:
    say(f"{taken['id']}  {taken['status']:9}  {money_text(taken['refund'])}  order {taken['orderId']}")
    for item in taken["items"]:
        counts = [(item["restocked"], "restocked"), (item["writtenOff"], "written off")]
        arrived = "".join(f", {count} {what}" for count, what in counts if count)
        say(f"  {item['quantity']} x {item['sku']}{arrived}")
    say(f"  reason: {taken['reason']}")
    if taken["rejectReason"]:
        say(f"  rejected: {taken['rejectReason']}")


def add_return_commands(commands: Any) -> None:
    """Adds the parsers of these commands to those of the client."""

    def command(name: str, run: Callable[..., None], text: str, *arguments: str) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        for argument in arguments:
            one.add_argument(argument, metavar="RETURN" if argument == "taken" else None)
        one.set_defaults(run=run)
        return one

    one = command("return", request_return, "ask to return items of a delivered order", "order")
    one.add_argument("items", nargs="+", metavar="SKU[=QUANTITY]")
    one.add_argument("--reason", default="no longer wanted")
    add_key_option(one, NO_SECOND_RETURN)
    one = command("returns", list_returns, "list returns, newest first")
    one.add_argument("--status", default="", help="requested, approved, rejected, received or refunded")
    one.add_argument("--order", default="", help="only those of this order")
    command("approve", approve, "staff: let the customer send the goods", "taken")
    one = command("reject", reject, "staff: refuse a return; the customer is told the reason", "taken")
    one.add_argument("--reason", required=True)
    one = command("receive", receive, "staff: take back what arrived, which is then refunded", "taken")
    one.add_argument("items", nargs="*", metavar="SKU[=QUANTITY]", help="what can be sold again")
    one.add_argument("--write-off", nargs="+", default=[], metavar="SKU[=QUANTITY]", help="what cannot be sold again")
    one.add_argument("--nothing", action="store_true", help="nothing arrived: nothing is refunded")
    one.add_argument("--warehouse", required=True, help="where the goods arrived, such as BER")
    one = command("refund", refund, "staff: refund money without a return", "order", "amount")
    one.add_argument("--reason", required=True)
    add_key_option(one, NO_SECOND_REFUND)
