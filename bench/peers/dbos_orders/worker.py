"""`python -m bench.peers.dbos_orders.worker queue|direct NUMBER`: a process that runs workflows.

A queue worker runs enqueued workflows. A direct worker reads commands from stdin: `place SEED COUNT` places orders and
immediately calls the workflow of each; `drain REMAINDER OF` calls the workflows of existing orders. Both use threads.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import django
import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID
from django.conf import settings

from bench.peers.dbos_orders import placing, runtime, workflow
from bench.peers.dbos_orders.schema import orders
from bench.peers.whole.baskets import Basket, baskets
from bench.peers.whole.processes import READY


def main() -> None:
    settings.configure(USE_TZ=True)  # only Django's e-mails are used
    django.setup()
    mode, number = sys.argv[1], sys.argv[2]
    threads = int(os.environ["PEER_THREADS"])
    runtime.launch(f"worker-{number}", threads)
    if mode == "queue":
        DBOS.register_queue(
            runtime.QUEUE,
            worker_concurrency=threads,
            polling_interval_sec=float(os.environ["PEER_POLLING"]),
            on_conflict="always_update",
        )
        print(READY.decode(), flush=True)
        wait_for_the_end()
    else:
        serve(threads)
    DBOS.destroy()


def wait_for_the_end() -> None:
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    end.wait()


def serve(threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        print(READY.decode(), flush=True)
        for line in sys.stdin:
            verb, first, second = line.split()
            list(pool.map(lambda work: work(), COMMANDS[verb](int(first), int(second))))
            print(f"done: {line}", flush=True)


def place(seed: int, count: int) -> Iterable[Callable[[], None]]:
    def of(basket: Basket) -> Callable[[], None]:
        return lambda: call(*placing.insert(workflow.datasource.engine, basket))

    return (of(basket) for basket in baskets(count, seed))


def drain(remainder: int, of: int) -> Iterable[Callable[[], None]]:
    query = sa.select(orders.c.id, orders.c.total).where(orders.c.id % of == remainder).order_by(orders.c.id)
    with workflow.datasource.engine.connect() as connection:
        rows = connection.execute(query).all()

    def these(order_id: int, total: str) -> Callable[[], None]:
        return lambda: call(order_id, total)

    return (these(row.id, str(row.total)) for row in rows)


def call(order_id: int, total: str) -> None:
    with SetWorkflowID(f"order-{order_id}"):
        workflow.fulfil(order_id, total)


COMMANDS = {"place": place, "drain": drain}

if __name__ == "__main__":
    main()
