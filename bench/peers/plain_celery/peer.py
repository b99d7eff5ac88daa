"""Starts Celery's workers and the threads that place orders."""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import celery
import django
from django.core.management import call_command
from django.db import connection

from bench.peers.plain_celery import books, placing
from bench.peers.whole.baskets import Basket, baskets
from bench.peers.whole.processes import Workers
from bench.peers.whole.runs import Peer, Times

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


class PlainCelery(Peer):
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.name = f"celery-{options.variant}"
        self.settings = {
            "celery": celery.__version__,
            "django": django.get_version(),
            "concurrency": str(options.concurrency),
            "prefetch": str(options.prefetch),
            "feeders": str(options.feeders),
            "header results": options.header_results,
        }
        self._variant = options.variant
        self._concurrency = options.concurrency
        self._workers = Workers(folder, os.environ)
        self._feeders = ThreadPoolExecutor(options.feeders, thread_name_prefix="feeder")
        self._threads = options.feeders
        self._seed = 0

    def prepare(self) -> None:
        call_command("migrate", run_syncdb=True, verbosity=0)
        books.seed()

    def start(self) -> None:
        command = ("-m", "celery", "--quiet", "-A", "bench.peers.plain_celery.app", "worker", *QUIET)
        if self._variant == "prefork":
            self._workers.start(*command, "--pool", "prefork", "--concurrency", str(self._concurrency))
            self._workers.wait_ready(times=1 + self._concurrency)
            return
        for number in range(self._concurrency):
            self._workers.start(*command, "--pool", "solo", "--hostname", f"solo{number}@localhost")
        self._workers.wait_ready()

    def place(self, orders: int) -> None:
        share = [orders // self._threads + (number < orders % self._threads) for number in range(self._threads)]
        for done in [self._feeders.submit(self._feed, self._baskets(count)) for count in share]:
            done.result()

    def place_one(self) -> None:
        self._feed(self._baskets(1))

    def backlog(self, orders: int) -> None:
        self.place(orders)

    def last_order(self) -> int:
        return books.last_order()

    def finished(self, after: int) -> int:
        return books.finished(after)

    def times(self, after: int) -> list[Times]:
        return books.times(after)

    def problems(self) -> list[str]:
        return books.problems() + self._workers.complaints()

    def check(self) -> None:
        self._workers.check()

    def stop(self) -> None:
        self._workers.stop()
        self._feeders.shutdown()
        connection.close()

    def _baskets(self, count: int) -> Iterator[Basket]:
        self._seed += 1
        return baskets(count, self._seed)

    @staticmethod
    def _feed(these: Iterator[Basket]) -> None:
        for basket in these:
            placing.place(basket)
