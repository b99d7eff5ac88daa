"""The pure parts of the benchmark's past: ids, times, and text for COPY."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from bench.growth.history import BLOCK, History
from bench.growth.row_template import COLUMNS, Article
from bench.growth.text import MAIL, NUMBER, ORDER, Open, line
from bench.soak import Looks
from bench.whole import Memory

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MUG, POT, SPOON = (Article(sku, sku.title(), Decimal("9.90"), "EUR", "BER", 1) for sku in ("MUG", "POT", "SPOON"))
PAST = History(1000, 100.0, NOW, (MUG, POT, SPOON), {"events_delivery": 30.0})


def rows(past: History, table: str) -> list[dict[str, str]]:
    lines = "".join(past.lines_of(table)).splitlines()
    return [dict(zip(COLUMNS[table].split(), one.split("\t"), strict=True)) for one in lines]


def test_text_is_escaped_and_what_is_open_is_not():
    written = line(["100% \\ wool\n", Open("%(time)s"), True, ORDER, f"order {NUMBER}"])
    filled = written % {"time": "t", "tail": "u", "number": "261123-A"}
    assert filled == "100% \\\\ wool\\n\tt\tt\tt-7000-u\torder 261123-A\n"


def test_every_order_has_ids_of_its_own_in_the_order_of_time():
    orders = rows(PAST, "orders_order")
    ids = [UUID(order["id"]) for order in orders]
    assert len(orders) == len(set(ids)) == len({order["number"] for order in orders}) == 1000
    assert ids == sorted(ids)
    assert {id_.version for id_ in ids} == {7}
    for id_, order in zip(ids, orders, strict=True):
        placed = datetime.fromisoformat(order["created_at"])
        assert id_.int >> 80 == round(placed.timestamp() * 1000)
        assert order["number"].startswith(f"{placed:%y%m%d}-")


def test_orders_are_spread_over_the_days():
    placed = [datetime.fromisoformat(order["created_at"]) for order in rows(PAST, "orders_order")]
    assert placed == sorted(placed)
    assert 99 <= (placed[-1] - placed[0]).days <= 100
    assert placed[-1] <= NOW


def test_no_id_stands_for_two_things():
    events = rows(replace(PAST, orders=20), "events_storedevent")
    mails = rows(replace(PAST, orders=20), "notifications_notification")
    ids = [event["event_id"] for event in events] + [mail["id"] for mail in mails]
    assert len(ids) == len(set(ids)) == 20 * 8
    assert str(MAIL) not in ids


def test_retention_leaves_the_last_days():
    assert PAST.first_of("events_delivery") == 700
    assert PAST.first_of("orders_order") == 0
    assert {int(row["event_id"]) > 700 * 7 for row in rows(PAST, "events_delivery")} == {True}


def test_an_order_is_of_two_products_if_there_are_two():
    assert {len(set(PAST.articles_of(number))) for number in range(1000)} == {2}
    assert {article for number in range(1000) for article in PAST.articles_of(number)} == {MUG, POT, SPOON}
    assert replace(PAST, articles=(MUG,)).articles_of(7) == (MUG,)


def test_lines_travel_in_blocks():
    assert len(list(PAST.lines_of("orders_order"))) == 1000 / BLOCK


def test_growth_is_that_of_the_second_half():
    looks = Looks({"web": Memory(90, 50)}, {"web": Memory(120, 80)}, {"web": Memory(121, 81)}, hours_between=0.1)
    assert looks.figures()["web_growth_mib_per_hour"] == 10.0
    assert looks.figures()["pss_mib"] == 81
