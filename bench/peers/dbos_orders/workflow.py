"""One durable workflow per order. Each step's changes commit together with its DBOS checkpoint."""

from __future__ import annotations

import os
from decimal import Decimal
from functools import cache

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend

from bench.peers.dbos_orders.placing import WORKFLOW
from bench.peers.dbos_orders.schema import lines, now, orders, payments, stock
from bench.peers.whole import gateway
from bench.peers.whole.baskets import EMAIL


class OutOfStock(Exception):
    """The stock is too low; nothing is held for the order."""


@cache
def processor() -> gateway.Gateway:
    return gateway.chosen()


@cache
def mail() -> EmailBackend:
    return EmailBackend()


def engine(pool: int) -> sa.Engine:
    """The engine for the shop's tables. It keeps connections and does not check them before each use."""
    url = sa.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
    return sa.create_engine(url, pool_size=pool, max_overflow=0)


datasource = SQLAlchemyDatasource.create(
    os.environ["DATABASE_URL"], engine=engine(int(os.environ.get("PEER_THREADS", "4")))
)


def unavailable(error: BaseException) -> bool:
    return isinstance(error, gateway.GatewayUnavailable)


@DBOS.workflow(name=WORKFLOW)
def fulfil(order_id: int, total: str) -> None:
    hold_stock(order_id)
    authorization = authorize(order_id, total)
    capture(order_id, authorization)
    complete(order_id, authorization, total)
    send_confirmation(order_id, total)


@datasource.transaction(isolation_level="READ COMMITTED")
def hold_stock(order_id: int) -> None:
    """Holds all lines or none. The condition in the UPDATE refuses lines without enough stock."""
    connection = datasource.sql_session().connection()
    for line in connection.execute(bought(order_id)):
        held = connection.execute(
            sa.update(stock)
            .where(stock.c.sku == line.sku, stock.c.available >= line.quantity)
            .values(available=stock.c.available - line.quantity, held=stock.c.held + line.quantity)
        )
        if not held.rowcount:
            raise OutOfStock(line.sku)


@DBOS.step(retries_allowed=True, max_attempts=8, should_retry=unavailable)
def authorize(order_id: int, total: str) -> str:
    return processor().authorize(f"order-{order_id}", Decimal(total), key=f"authorize-{order_id}")


@DBOS.step(retries_allowed=True, max_attempts=8, should_retry=unavailable)
def capture(order_id: int, authorization: str) -> None:
    processor().capture(authorization, key=f"capture-{order_id}")


@datasource.transaction(isolation_level="READ COMMITTED")
def complete(order_id: int, authorization: str, total: str) -> None:
    session = datasource.sql_session()
    for line in session.execute(bought(order_id)):
        session.execute(
            sa.update(stock)
            .where(stock.c.sku == line.sku)
            .values(held=stock.c.held - line.quantity, sold=stock.c.sold + line.quantity)
        )
    session.execute(
        sa.insert(payments).values(
            order_id=order_id, authorization_id=authorization, amount=Decimal(total), captured_at=now
        )
    )
    session.execute(sa.update(orders).where(orders.c.id == order_id).values(status="confirmed", confirmed_at=now))


@DBOS.step(retries_allowed=True, max_attempts=8)
def send_confirmation(order_id: int, total: str) -> None:
    text = f"Thank you. Your order {order_id} over {total} EUR is confirmed."
    mail().send_messages([EmailMessage(f"Your order {order_id}", text, "orders@example.com", [EMAIL])])


def bought(order_id: int) -> sa.Select[tuple[str, int]]:
    """The lines sorted by SKU, so that two orders cannot deadlock."""
    return sa.select(lines.c.sku, lines.c.quantity).where(lines.c.order_id == order_id).order_by(lines.c.sku)
