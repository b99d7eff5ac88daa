"""The statements on stock that matter for speed; each takes a whole batch."""

from events.keyed import Keyed
from events.sql import run

__all__ = ["run"]

# Always in the order of ids, so that two batches over the same products wait for each other and never deadlock.
LOCK_PRODUCTS = Keyed("""
SELECT stock.id, stock.product_id, stock.warehouse_id, stock.on_hand - stock.held, warehouse.priority, product.low_stock
FROM inventory_stock stock
CROSS JOIN LATERAL (SELECT * FROM inventory_warehouse WHERE code = stock.warehouse_id OFFSET 0) AS warehouse
CROSS JOIN LATERAL (SELECT * FROM inventory_product WHERE sku = stock.product_id OFFSET 0) AS product
WHERE stock.product_id = ANY(ARRAY(SELECT unnest(%s::text[]))) ORDER BY stock.id FOR UPDATE OF stock
""")

LOCK_STOCK = "SELECT id FROM inventory_stock WHERE id = ANY(%s) ORDER BY id FOR UPDATE"

CHANGE_STOCK = Keyed("""
WITH locked AS MATERIALIZED (
    SELECT id FROM inventory_stock WHERE id = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[]))) ORDER BY id FOR UPDATE
)
UPDATE inventory_stock stock SET on_hand = stock.on_hand + change.on_hand, held = stock.held + change.held
FROM unnest(%(ids)s::bigint[], %(on_hand)s::int[], %(held)s::int[]) AS change (id, on_hand, held)
WHERE stock.id = change.id AND stock.id = ANY(ARRAY(SELECT id FROM locked))
""")

RESERVED = Keyed("""
SELECT order_id FROM inventory_reservation WHERE order_id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")

# Holds, and what they take of stock that LOCK_PRODUCTS has locked.
HOLD = Keyed("""
WITH held AS (
    INSERT INTO inventory_hold (reservation_id, stock_id, quantity)
    SELECT * FROM unnest(%(reservations)s::uuid[], %(stocks)s::bigint[], %(quantities)s::int[])
)
UPDATE inventory_stock stock SET held = stock.held + taken.quantity
FROM unnest(%(ids)s::bigint[], %(taken)s::int[]) AS taken (id, quantity)
WHERE stock.id = taken.id AND stock.id = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[])))
""")

RESTOCK = """
UPDATE inventory_hold hold SET restocked = hold.restocked + back.quantity
FROM unnest(%s::bigint[], %s::int[]) AS back (id, quantity) WHERE hold.id = back.id
"""

# One look into the index for each order and for each hold. OFFSET 0 keeps the planner from making a join of it: of a
# table that it has not analysed yet, it expects so many rows for a handful of orders that it would read them all.
HOLDS = Keyed("""
SELECT hold.reservation_id, hold.id, hold.stock_id, stock.product_id, stock.warehouse_id, hold.quantity,
       hold.quantity - hold.restocked
FROM unnest(%s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM inventory_hold WHERE reservation_id = asked.id OFFSET 0) AS hold
CROSS JOIN LATERAL (SELECT * FROM inventory_stock WHERE id = hold.stock_id OFFSET 0) AS stock ORDER BY hold.id
""")
