"""Accepts an order: writes its rows and enqueues its workflow in the same transaction."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions

from bench.peers.dbos_orders import runtime
from bench.peers.dbos_orders.schema import lines, orders
from bench.peers.whole.baskets import CURRENCY, EMAIL, Basket

WORKFLOW = "fulfil"


def insert(engine: sa.Engine, basket: Basket) -> tuple[int, str]:
    """Writes an order; returns its id and total."""
    with engine.begin() as connection:
        return _insert(connection, basket), str(basket.total)


def enqueue(engine: sa.Engine, client: DBOSClient, basket: Basket) -> None:
    with engine.begin() as connection:
        order_id = _insert(connection, basket)
        options: EnqueueOptions = {
            "queue_name": runtime.QUEUE,
            "workflow_name": WORKFLOW,
            "workflow_id": f"order-{order_id}",
            "app_version": runtime.VERSION,
        }
        client.enqueue_in_transaction(connection, options, order_id, str(basket.total))


def _insert(connection: sa.Connection, basket: Basket) -> int:
    row = {"email": EMAIL, "currency": CURRENCY, "total": basket.total, "created_at": datetime.now(UTC)}
    order_id = int(connection.execute(sa.insert(orders).returning(orders.c.id), row).scalar_one())
    bought = [
        {"order_id": order_id, "sku": item.sku, "quantity": item.quantity, "unit_price": item.unit_price}
        for item in basket.items
    ]
    connection.execute(sa.insert(lines).values(bought))
    return order_id
