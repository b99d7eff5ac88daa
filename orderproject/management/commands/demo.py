"""`manage.py demo`: sample orders through the REST API, and their progress to look at."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orderproject.demo import USUAL, Demo, NothingToOrder, Placed, outcomes, times

PATIENCE = 120.0
COLOURS = {"pending": "yellow", "confirmed": "green", "cancelled": "red"}
SIGNS = {"pending": "…", "confirmed": "✓", "cancelled": "✗"}
WIDE = 110
"""Columns of a terminal from which on there is room for money."""
HEIGHT = 40
"""Rows to show at once; of more orders, the open ones and the last."""


class Command(BaseCommand):
    help = "Places sample orders through the REST API and shows how they end."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default=settings.PUBLIC_URL, help="where the API is (%(default)s)")
        parser.add_argument("--orders", type=int, default=25, help="how many to place (%(default)s)")
        parser.add_argument("--username", default="customer", help="who places them (%(default)s)")
        parser.add_argument("--password", default="customer", help="that customer's password")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request would tear the picture apart
        console = Console(highlight=False)
        demo = Demo(options["url"], options["username"], options["password"])
        try:
            demo.log_in()
            _run(demo, options["orders"], console)
        except httpx.HTTPStatusError as error:
            raise CommandError(f"{error.request.url} answered {error.response.status_code}: {_why(error)}") from error
        except NothingToOrder as error:
            raise CommandError(str(error)) from error
        except httpx.HTTPError as error:
            raise CommandError(
                f"{demo.url} does not answer ({error}): start the stack first, or name its --url"
            ) from error
        console.print(_summary(demo.placed))
        if demo.open:
            raise CommandError(f"{len(demo.open)} of {len(demo.placed)} orders did not settle within {PATIENCE:.0f} s")


def _why(error: httpx.HTTPStatusError) -> str:
    try:
        return str(error.response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return error.response.text[:200]


def _run(demo: Demo, count: int, console: Console) -> None:
    console.print(f"Placing [bold]{count}[/] orders at [cyan]{demo.url}[/] as {demo.username} …")
    if not console.is_terminal:
        _run_plainly(demo, count, console)
        return
    with Live(console=console, refresh_per_second=12) as live:
        for _ in demo.place(count):
            live.update(_picture(demo.placed, count, console.width >= WIDE))
        for _ in demo.follow(PATIENCE):
            live.update(_picture(demo.placed, count, console.width >= WIDE))


def _run_plainly(demo: Demo, count: int, console: Console) -> None:
    for placed in demo.place(count):
        console.print(_line(placed), soft_wrap=True)
    for settled in demo.follow(PATIENCE):
        for placed in settled:
            console.print(_line(placed), soft_wrap=True)


def _line(placed: Placed) -> str:
    order, sample = placed.order, placed.sample
    took = f" after {placed.seconds:.2f} s" if placed.settled else ""
    what = f"{sample.quantity} x {sample.sku}, {_money(order['total'])}, {sample.token}"
    return f"{order['number']}  {what}: {_status(placed)}{took}"


def _picture(placed: list[Placed], count: int, wide: bool) -> RenderableType:
    return Group(_orders(placed, wide), _progress(placed, count))


def _orders(placed: list[Placed], wide: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    money = ("Total", "Payment") if wide else ()
    for name in ("Order", "Items", "Card", *money, "Outcome", "Seconds"):
        table.add_column(name, justify="right" if name in {"Total", "Seconds"} else "left", no_wrap=True)
    shown = placed if len(placed) <= HEIGHT else [*(one for one in placed if not one.settled), *placed][:HEIGHT]
    for one in shown:
        table.add_row(*_row(one, wide))
    return table


def _row(one: Placed, wide: bool) -> list[RenderableType]:
    order, sample = one.order, one.sample
    money = [_money(order["total"]), Text(order["payment"]["status"], style="dim")] if wide else []
    return [
        order["number"],
        f"{sample.quantity} x {sample.sku}",
        Text(sample.token.removeprefix("tok_"), style="" if sample.token == USUAL else "magenta"),
        *money,
        Text(f"{SIGNS.get(order['status'], '')} {one.outcome}", style=COLOURS.get(order["status"], "")),
        f"{one.seconds:.2f}" if one.settled else "",
    ]


def _progress(placed: list[Placed], count: int) -> Table:
    settled = sum(one.settled for one in placed)
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=count, completed=settled, width=40, complete_style="green", finished_style="green")
    grid.add_row(bar, f"{settled} of {count} settled, {len(placed)} placed")
    return grid


def _status(placed: Placed) -> str:
    order = placed.order
    return f"{order['status']}: {order['cancelReason']}" if order["cancelReason"] else str(order["status"])


def _money(money: dict[str, str]) -> str:
    return f"{money['amount']} {money['currency']}"


def _summary(placed: list[Placed]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="How they ended", title_justify="left", pad_edge=False)
    table.add_column("Outcome")
    table.add_column("Orders", justify="right")
    for outcome, number in outcomes(placed).most_common():
        style = COLOURS["confirmed" if outcome == "confirmed" else "cancelled"]
        table.add_row(Text(outcome if outcome == "confirmed" else f"cancelled: {outcome}", style=style), str(number))
    if unsettled := sum(not one.settled for one in placed):
        table.add_row(Text("still pending", style=COLOURS["pending"]), str(unsettled))
    table.add_section()
    if found := times(placed):
        table.add_row("placed → settled, median", f"{found[0]:.2f} s")
        table.add_row("placed → settled, p99", f"{found[1]:.2f} s")
    return table
