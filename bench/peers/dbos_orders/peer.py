"""Starts the processes that run workflows and the threads that place orders."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from bench.peers.dbos_orders import placing, runtime, schema, workflow
from bench.peers.whole.baskets import Basket, baskets
from bench.peers.whole.processes import Workers
from bench.peers.whole.runs import Peer, Times

WORKER = "bench.peers.dbos_orders.worker"


class DbosOrders(Peer):
    """The common part of both variants."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.name = f"dbos-{options.variant}"
        self.settings = {
            "dbos": version("dbos"),
            "processes": str(options.processes),
            "threads": str(options.threads),
        }
        self._processes = options.processes
        self._workers = Workers(folder, os.environ)
        self._engine: sa.Engine = workflow.datasource.engine
        self._seed = 0

    def prepare(self) -> None:
        schema.create(self._engine)
        runtime.launch("migrations", 1)
        DBOS.destroy()

    def last_order(self) -> int:
        return schema.last_order(self._engine)

    def finished(self, after: int) -> int:
        return schema.finished(self._engine, after)

    def times(self, after: int) -> list[Times]:
        return schema.times(self._engine, after)

    def problems(self) -> list[str]:
        return schema.problems(self._engine) + self._workers.complaints()

    def check(self) -> None:
        self._workers.check()

    def stop(self) -> None:
        self._workers.stop()
        self._engine.dispose()

    def _next_seed(self) -> int:
        self._seed += 1
        return self._seed


class Queued(DbosOrders):
    """Orders are enqueued with their rows; workers poll the queue."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        super().__init__(options, folder)
        self.settings |= {"polling": f"{options.polling} s", "feeders": str(options.feeders)}
        self._feeders = ThreadPoolExecutor(options.feeders)
        self._threads = options.feeders

    def prepare(self) -> None:
        super().prepare()
        url = self._engine.url.render_as_string(hide_password=False)
        self._client = DBOSClient(system_database_url=url, application_name=runtime.APPLICATION)

    def start(self) -> None:
        for number in range(self._processes):
            self._workers.start("-m", WORKER, "queue", str(number))
        self._workers.wait_ready()

    def place(self, orders: int) -> None:
        share = [orders // self._threads + (number < orders % self._threads) for number in range(self._threads)]
        for done in [self._feeders.submit(self._feed, baskets(count, self._next_seed())) for count in share]:
            done.result()

    def place_one(self) -> None:
        self._feed(baskets(1, self._next_seed()))

    def backlog(self, orders: int) -> None:
        self.place(orders)

    def stop(self) -> None:
        super().stop()
        self._feeders.shutdown()
        self._client.destroy()

    def _feed(self, these: Iterator[Basket]) -> None:
        for basket in these:
            placing.enqueue(self._engine, self._client, basket)


class Direct(DbosOrders):
    """Each process places orders and calls their workflows from threads."""

    def start(self) -> None:
        self._running = [self._workers.start("-m", WORKER, "direct", str(n)) for n in range(self._processes)]
        self._workers.wait_ready()

    def place(self, orders: int) -> None:
        for number in range(self._processes):
            count = orders // self._processes + (number < orders % self._processes)
            self._tell(number, f"place {self._next_seed()} {count}")

    def place_one(self) -> None:
        self._tell(self._seed % self._processes, f"place {self._next_seed()} 1")

    def backlog(self, orders: int) -> None:
        for basket in baskets(orders, self._next_seed()):
            placing.insert(self._engine, basket)

    def drain(self) -> None:
        self.start()
        for number in range(self._processes):
            self._tell(number, f"drain {number} {self._processes}")

    def _tell(self, number: int, line: str) -> None:
        commands = self._running[number].stdin
        assert commands is not None
        commands.write(line.encode() + b"\n")
        commands.flush()
