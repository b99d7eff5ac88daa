"""The performance-critical SQL statements on stock. Each handles a whole batch."""

from events.db.keyed import Keyed

# Locks rows in the order of their ids, so that two batches over the same products cannot deadlock.
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

# Inserts holds and adds them to stock rows that LOCK_PRODUCTS has locked.
HOLD = Keyed("""
WITH held AS (
    INSERT INTO inventory_hold (reservation_id, stock_id, quantity)
    SELECT * FROM unnest(%(reservations)s::uuid[], %(stocks)s::bigint[], %(quantities)s::int[])
)
UPDATE inventory_stock stock SET held = stock.held + taken.quantity
FROM unnest(%(ids)s::bigint[], %(taken)s::int[]) AS taken (id, quantity)
WHERE stock.id = taken.id AND stock.id = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[])))
""")

BACK = """
UPDATE inventory_hold hold SET restocked = hold.restocked + back.restocked, written_off = hold.written_off + back.gone
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS back (id, restocked, gone) WHERE hold.id = back.id
"""

# The stock rows of products in warehouses, made where there is none.
ENSURE_STOCK = """
INSERT INTO inventory_stock (product_id, warehouse_id, on_hand, held)
SELECT sku, warehouse, 0, 0 FROM unnest(%s::text[], %s::text[]) AS place (sku, warehouse) ORDER BY sku, warehouse
ON CONFLICT (product_id, warehouse_id) DO NOTHING
"""
STOCK_AT = """
SELECT stock.product_id, stock.warehouse_id, stock.id FROM inventory_stock stock
JOIN unnest(%s::text[], %s::text[]) AS place (sku, warehouse)
  ON stock.product_id = place.sku AND stock.warehouse_id = place.warehouse
"""

# One index lookup per order and per hold. OFFSET 0 keeps the planner from choosing a join: for a table without
# statistics it overestimates the rows per order and would scan the whole table.
HOLDS = Keyed("""
SELECT hold.reservation_id, hold.id, hold.stock_id, stock.product_id, stock.warehouse_id, hold.quantity,
       hold.quantity - hold.restocked - hold.written_off
FROM unnest(%s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM inventory_hold WHERE reservation_id = asked.id OFFSET 0) AS hold
CROSS JOIN LATERAL (SELECT * FROM inventory_stock WHERE id = hold.stock_id OFFSET 0) AS stock ORDER BY hold.id
""")
