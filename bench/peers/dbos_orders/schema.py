"""The shop's tables and queries. DBOS keeps its own tables in the schema `dbos` of the same database."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

from bench.peers.whole.baskets import PLENTY, SKUS
from bench.peers.whole.runs import Times

metadata = sa.MetaData()
now = sa.func.clock_timestamp()

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("total", sa.Numeric(12, 2), nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="placed"),
    sa.Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    sa.Column("confirmed_at", TIMESTAMP(timezone=True)),
)
lines = sa.Table(
    "lines",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False, index=True),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_price", sa.Numeric(12, 2), nullable=False),
)
stock = sa.Table(
    "stock",
    metadata,
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("available", sa.Integer, sa.CheckConstraint("available >= 0"), nullable=False),
    sa.Column("held", sa.Integer, sa.CheckConstraint("held >= 0"), nullable=False, server_default="0"),
    sa.Column("sold", sa.Integer, nullable=False, server_default="0"),
)
payments = sa.Table(
    "payments",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("authorization_id", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric(12, 2), nullable=False),
    sa.Column("captured_at", TIMESTAMP(timezone=True), nullable=False),
)

TIMES = sa.text("""
    SELECT o.created_at, to_timestamp(coalesce(w.started_at_epoch_ms, w.created_at) / 1000.0), o.confirmed_at,
           to_timestamp(w.completed_at / 1000.0)
    FROM orders o JOIN dbos.workflow_status w ON w.workflow_uuid = 'order-' || o.id
    WHERE o.id > :after AND w.status = 'SUCCESS'
""")
FINISHED = sa.text("""
    SELECT count(*) FROM dbos.workflow_status
    WHERE status = 'SUCCESS' AND substr(workflow_uuid, 7)::bigint > :after
""")
COUNTS = sa.text("""
    SELECT (SELECT count(*) FROM orders) AS placed,
           (SELECT count(*) FROM orders WHERE status = 'confirmed') AS confirmed,
           (SELECT count(*) FROM payments) AS captured,
           (SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS') AS workflows,
           (SELECT count(DISTINCT workflow_uuid) FROM dbos.operation_outputs
             WHERE function_name LIKE '%send_confirmation' AND error IS NULL) AS mailed,
           (SELECT count(*) FROM dbos.operation_outputs WHERE function_name LIKE '%send_confirmation') AS mails
""")
WRONG_STOCK = sa.text("""
    SELECT s.sku, s.available, s.held, s.sold, coalesce(sum(l.quantity), 0) AS ordered
    FROM stock s LEFT JOIN lines l USING (sku) GROUP BY s.sku
    HAVING (s.available, s.held, s.sold)
           <> (:plenty - coalesce(sum(l.quantity), 0), 0, coalesce(sum(l.quantity), 0))
""")


def create(engine: sa.Engine) -> None:
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(stock), [{"sku": sku, "available": PLENTY} for sku in SKUS])


def last_order(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.coalesce(sa.func.max(orders.c.id), 0))) or 0


def finished(engine: sa.Engine, after: int) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(FINISHED, {"after": after}) or 0)


def times(engine: sa.Engine, after: int) -> list[Times]:
    with engine.connect() as connection:
        return [Times(*row) for row in connection.execute(TIMES, {"after": after})]


def problems(engine: sa.Engine) -> list[str]:
    """The problems of all orders."""
    with engine.connect() as connection:
        counts = dict(connection.execute(COUNTS).mappings().one())
        wrong = connection.execute(WRONG_STOCK, {"plenty": PLENTY}).all()
    placed = counts.pop("placed")
    found = [f"{name}: {count} for {placed} orders" for name, count in counts.items() if count != placed]
    return found + [f"{row.sku}: {row.available} available, {row.held} held, {row.sold} sold" for row in wrong]
