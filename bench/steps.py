"""`python -m bench.steps`: measures each step of PlaceOrder in microseconds of CPU per order.

It calls the actions in this process on cohorts, each in one transaction as the sagas do, on private servers whose
tables grow from empty. It uses no relay, no worker and no saga rows. The columns are Python and PostgreSQL's backend.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg

from bench.orders import ADDRESS, SPREAD
from bench.servers import Servers, servers

if TYPE_CHECKING:
    from events.log.context import Context
    from sagas import Call
    from sagas.values import NetworkAction

DATABASE = "steps"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.steps")
    parser.add_argument("--orders", type=int, default=5000)
    parser.add_argument("--cohort", type=int, default=250)
    parser.add_argument("--profile", type=Path, help="write a profile of the Python functions to this file")
    parser.add_argument("--plans", type=Path, help="write the plan of every statement of 5 ms or more to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="steps-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # under root, PostgreSQL runs as another user
        with servers(Path(folder)) as private:
            settle_in(private, plans=options.plans is not None)
            try:
                _measure(options.orders, options.cohort, options.profile)
            finally:
                close()
        if options.plans:
            shutil.copyfile(private.postgres.log, options.plans)


def settle_in(private: Servers, *, plans: bool) -> None:
    """Configures Django for these servers and creates the schema and the products."""
    os.environ |= {
        "ENVIRONMENT": "stack",
        "DATABASE_URL": private.database(DATABASE),
        "REDIS_URL": private.redis_url,
        "BROKER_URL": private.redis_url,
        "PAYMENT_GATEWAY_URL": "inprocess:bench.ours.gateway.InstantGateway",
        "DJANGO_SETTINGS_MODULE": "orderproject.settings",
    }
    if plans:
        _explain(private)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    from bench.ours.seed import seed

    seed(flash=0)


def _explain(private: Servers) -> None:
    with psycopg.connect(private.postgres.admin_url, autocommit=True) as admin:
        for setting in (
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = '5ms'",
            "auto_explain.log_analyze = on",
            "auto_explain.log_nested_statements = on",
            "auto_explain.log_parameter_max_length = 40",
        ):
            admin.execute(f"ALTER DATABASE {DATABASE} SET {setting}")


def close() -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


def _measure(orders: int, cohort: int, profile: Path | None) -> None:
    profiler = cProfile.Profile() if profile else None
    meter = Meter(profiler)
    random = Random(0)
    perform_all(placed(cohort, random), Meter(None))  # warms up what a process creates once
    for first in range(0, orders, cohort):
        perform_all(placed(min(cohort, orders - first), random), meter)
    _check()
    meter.show(orders)
    if profile and profiler:
        with profile.open("w") as output:
            pstats.Stats(profiler, stream=output).sort_stats("tottime").print_stats(80)
            pstats.Stats(profiler, stream=output).sort_stats("cumulative").print_stats(120)


class Meter:
    """CPU seconds by operation, of this process and of its PostgreSQL backend."""

    def __init__(self, profiler: cProfile.Profile | None) -> None:
        from django.db import connection

        connection.ensure_connection()
        self.backend = connection.connection.info.backend_pid
        self.profiler = profiler
        self.spent: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        before = time.process_time(), self._backend_seconds()
        result = self.profiler.runcall(work) if self.profiler else work()
        self.spent[name][0] += time.process_time() - before[0]
        self.spent[name][1] += self._backend_seconds() - before[1]
        return result

    def _backend_seconds(self) -> float:
        return int(Path(f"/proc/{self.backend}/schedstat").read_text().split()[0]) / 1e9

    def show(self, orders: int) -> None:
        print(f"{'µs per order':>28}  python  postgres")
        total = [sum(column) for column in zip(*self.spent.values(), strict=True)]
        for name, (python, postgres) in [*self.spent.items(), ("total", total)]:
            print(f"{name:>28}  {python / orders * 1e6:6.1f}  {postgres / orders * 1e6:8.1f}")


def placed(count: int, random: Random) -> list[UUID]:
    """Placements with two lines each."""
    from orders.models import Order
    from orders.services import Placement, Wanted, place_each

    def placement() -> Placement:
        first, second = random.sample(SPREAD, 2)
        items = [Wanted(first, 1), Wanted(second, 2)]
        return Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, items)

    outcomes = place_each([placement() for _ in range(count)])
    return [outcome.id for outcome in outcomes if isinstance(outcome, Order)]


def perform_all(order_ids: Sequence[UUID], meter: Meter) -> None:
    from events.log.context import Context
    from orders.sagas import PlaceOrder
    from sagas import Call
    from sagas.values import DatabaseAction, NetworkAction

    contexts = {str(one): Context(str(one), "1", "bench", "") for one in order_ids}
    for name, step in PlaceOrder.definition.steps.items():
        if step.do is None:
            continue
        given = meter.run(f"{name}, given", partial(step.given, order_ids)) if step.given else {}
        calls = [Call(uuid4(), one, name, False, 1, "", "", given.get(one)) for one in order_ids]
        if isinstance(step.do, DatabaseAction):
            meter.run(name, partial(_in_transaction, contexts, step.do.perform, calls))
        elif isinstance(step.do, NetworkAction):
            _perform_network(name, step.do, calls, contexts, meter)


def _perform_network(
    name: str, action: NetworkAction, calls: Sequence[Call], contexts: Mapping[str, Context], meter: Meter
) -> None:
    from sagas import Answer

    async def answers(given: Any) -> list[Answer[Any, Any]]:
        return [Answer(call, given[call.subject], await action.call(call, given[call.subject])) for call in calls]

    loaded = meter.run(f"{name}, load", partial(_in_transaction, contexts, action.load, calls))
    with asyncio.Runner() as runner:
        results = runner.run(answers(loaded))
        meter.run(f"{name}, save", partial(_in_transaction, contexts, action.save, results))
        runner.run(_forget_gateway())


async def _forget_gateway() -> None:
    from payments import gateways

    with suppress(KeyError):
        await gateways._gateways.pop(asyncio.get_running_loop()).aclose()


def _in_transaction(contexts: Mapping[str, Context], work: Callable[[Any], Any], portion: Sequence[Any]) -> Any:
    from django.db import transaction

    from events.log.context import Context, caused_by

    with transaction.atomic(), caused_by(Context(actor="bench"), contexts):
        return work(portion)


def _check() -> None:
    """Raises SystemExit unless every order is confirmed and its stock and payment are committed."""
    from django.db.models import F

    from inventory.models import Reservation, ReservationState, Stock
    from orders.models import Order, Status
    from payments.models import Payment, PaymentStatus

    wrong = {
        "orders": Order.objects.exclude(status=Status.CONFIRMED).count(),
        "reservations": Reservation.objects.exclude(state=ReservationState.COMMITTED).count(),
        "payments": Payment.objects.exclude(status=PaymentStatus.SUCCEEDED).count(),
        "stock": Stock.objects.exclude(held=0).count() + Stock.objects.filter(held__gt=F("on_hand")).count(),
    }
    if any(wrong.values()):
        raise SystemExit(f"the rows do not reconcile: {wrong}")


if __name__ == "__main__":
    main()
