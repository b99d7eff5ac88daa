"""The statements on stock that matter for speed; each takes a whole batch."""

from events.sql import run

__all__ = ["run"]

# Always in the order of ids, so that two batches over the same products wait for each other and never deadlock.
LOCK_PRODUCTS = """
SELECT stock.id, stock.product_id, stock.warehouse_id, stock.on_hand - stock.held
FROM inventory_stock stock JOIN inventory_warehouse warehouse ON warehouse.code = stock.warehouse_id
WHERE stock.product_id = ANY(%s) ORDER BY stock.id FOR UPDATE OF stock
"""

PRIORITIES = "SELECT code FROM inventory_warehouse ORDER BY priority, code"

LOCK_STOCK = "SELECT id FROM inventory_stock WHERE id = ANY(%s) ORDER BY id FOR UPDATE"

CHANGE_STOCK = """
UPDATE inventory_stock stock SET on_hand = stock.on_hand + change.on_hand, held = stock.held + change.held
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS change (id, on_hand, held) WHERE stock.id = change.id
"""

ADD_HOLDS = """
INSERT INTO inventory_hold (reservation_id, stock_id, quantity)
SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::int[])
"""

THRESHOLDS = "SELECT sku, low_stock FROM inventory_product WHERE sku = ANY(%s) AND low_stock > 0"
"""Only products that have a threshold."""

RESTOCK = """
UPDATE inventory_hold hold SET restocked = hold.restocked + back.quantity
FROM unnest(%s::bigint[], %s::int[]) AS back (id, quantity) WHERE hold.id = back.id
"""

# One look into the index for each order and for each hold. OFFSET 0 keeps the planner from making a join of it: of a
# table that it has not analysed yet, it expects so many rows for a handful of orders that it would read them all.
HOLDS = """
SELECT hold.reservation_id, hold.id, hold.stock_id, stock.product_id, stock.warehouse_id, hold.quantity,
       hold.quantity - hold.restocked
FROM unnest(%s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM inventory_hold WHERE reservation_id = asked.id OFFSET 0) AS hold
CROSS JOIN LATERAL (SELECT * FROM inventory_stock WHERE id = hold.stock_id OFFSET 0) AS stock ORDER BY hold.id
"""
