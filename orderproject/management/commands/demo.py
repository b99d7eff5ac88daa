"""`manage.py demo`: places sample orders through the REST API and shows their progress."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import CommandError
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from desk import terminal
from desk.console import DataConsole, visible
from orderproject.demo.demo import USUAL, Demo, NothingToOrder, Placed, outcomes, times
from orderproject.demo.shop import idempotency_key

PATIENCE = 120.0
COLOURS = {"pending": "yellow", "confirmed": "green", "cancelled": "red"}
SIGNS = {"pending": "…", "confirmed": "✓", "cancelled": "✗"}
WIDE = 110
"""The number of terminal columns from which the money columns are shown."""
HEIGHT = 40
"""The maximum number of rows. If there are more orders, open ones are shown first."""


class Command(terminal.Command):
    help = "Places sample orders through the REST API and shows their outcomes."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default=settings.PUBLIC_URL, help="the URL of the server (%(default)s)")
        parser.add_argument("--orders", type=int, default=25, help="the number of orders to place (%(default)s)")
        parser.add_argument("--username", default="customer", help="the customer that places them (%(default)s)")
        parser.add_argument("--password", default="customer", help="the customer's password")
        parser.add_argument(
            "--idempotency-key", type=idempotency_key, metavar="KEY",
            help="repeats the run of this key without placing its orders again (default: a new key, which is shown)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a log line per request would break the live table
        console = DataConsole()
        key = {"key": options["idempotency_key"]} if options["idempotency_key"] else {}
        demo = Demo(options["url"], options["username"], options["password"], **key)
        try:
            demo.log_in()
            _run(demo, options["orders"], console)
        except httpx.HTTPStatusError as error:
            raise CommandError(
                f"{error.request.url} answered {error.response.status_code}: {_detail(error)}"
            ) from error
        except NothingToOrder as error:
            raise CommandError(str(error)) from error
        except httpx.HTTPError as error:
            raise CommandError(f"{demo.url} does not answer ({error}): start the stack first, or set --url") from error
        console.print(_summary(demo.placed))
        if demo.open:
            raise CommandError(f"{len(demo.open)} of {len(demo.placed)} orders did not finish within {PATIENCE:.0f} s")


def _detail(error: httpx.HTTPStatusError) -> str:
    try:
        return str(error.response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return error.response.text[:200]


def _run(demo: Demo, count: int, console: DataConsole) -> None:
    console.print(f"Placing {count} orders at {visible(demo.url)} as {visible(demo.username)} …")
    console.print(f"Idempotency key: {demo.key} (a repeat with --idempotency-key={demo.key} places none again)")
    if not console.is_terminal:
        _run_plainly(demo, count, console)
        return
    with Live(console=console, refresh_per_second=12) as live:
        for _ in demo.place(count):
            live.update(_display(demo.placed, count, console.width >= WIDE))
        for _ in demo.follow(PATIENCE):
            live.update(_display(demo.placed, count, console.width >= WIDE))


def _run_plainly(demo: Demo, count: int, console: DataConsole) -> None:
    for placed in demo.place(count):
        console.print(_line(placed), soft_wrap=True)
    for finished in demo.follow(PATIENCE):
        for placed in finished:
            console.print(_line(placed), soft_wrap=True)


def _line(placed: Placed) -> str:
    order, sample = placed.order, placed.sample
    took = f" after {placed.seconds:.2f} s" if placed.finished else ""
    what = f"{sample.quantity} x {sample.sku}, {_money(order['total'])}, {sample.token}"
    return visible(f"{order['number']}  {what}: {_status(placed)}{took}")


def _display(placed: list[Placed], count: int, wide: bool) -> RenderableType:
    return Group(_orders(placed, wide), _progress(placed, count))


def _orders(placed: list[Placed], wide: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    money = ("Total", "Payment") if wide else ()
    for name in ("Order", "Items", "Card", *money, "Outcome", "Seconds"):
        table.add_column(name, justify="right" if name in {"Total", "Seconds"} else "left", no_wrap=True)
    shown = placed if len(placed) <= HEIGHT else [*(one for one in placed if not one.finished), *placed][:HEIGHT]
    for one in shown:
        table.add_row(*_row(one, wide))
    return table


def _row(one: Placed, wide: bool) -> list[RenderableType]:
    order, sample = one.order, one.sample
    money: list[RenderableType] = (
        [_money(order["total"]), Text(order["payment"]["status"], style="dim")] if wide else []
    )
    return [
        visible(order["number"]),
        visible(f"{sample.quantity} x {sample.sku}"),
        Text(sample.token.removeprefix("tok_"), style="" if sample.token == USUAL else "magenta"),
        *money,
        Text(f"{SIGNS.get(order['status'], '')} {visible(one.outcome)}", style=COLOURS.get(order["status"], "")),
        f"{one.seconds:.2f}" if one.finished else "",
    ]


def _progress(placed: list[Placed], count: int) -> Table:
    finished = sum(one.finished for one in placed)
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=count, completed=finished, width=40, complete_style="green", finished_style="green")
    grid.add_row(bar, f"{finished} of {count} finished, {len(placed)} placed")
    return grid


def _status(placed: Placed) -> str:
    order = placed.order
    return f"{order['status']}: {order['cancelReason']}" if order["cancelReason"] else str(order["status"])


def _money(money: dict[str, str]) -> str:
    return f"{money['amount']} {money['currency']}"


def _summary(placed: list[Placed]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="Outcomes", title_justify="left", pad_edge=False)
    table.add_column("Outcome")
    table.add_column("Orders", justify="right")
    for outcome, number in outcomes(placed).most_common():
        style = COLOURS["confirmed" if outcome == "confirmed" else "cancelled"]
        table.add_row(
            Text(outcome if outcome == "confirmed" else f"cancelled: {visible(outcome)}", style=style), str(number)
        )
    if unfinished := sum(not one.finished for one in placed):
        table.add_row(Text("still pending", style=COLOURS["pending"]), str(unfinished))
    table.add_section()
    if found := times(placed):
        table.add_row("placed → finished, median", f"{found[0]:.2f} s")
        table.add_row("placed → finished, p99", f"{found[1]:.2f} s")
    return table
