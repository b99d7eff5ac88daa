"""Whether all work is done, and done once: orders, sagas with their steps, deliveries."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from django.db.models import Count

from events.models import Delivery, DeliveryState, StoredEvent
from orders.models import Cancellation, Order, RefundRequest, Return
from sagas.models import SagaRun, SagaStep
from tests.reconcile.statuses import SETTLED

UNDER_WAY = {"waiting", "undoing", "stuck"}


def work() -> list[str]:
    return [*_orders(), *_sagas(), *_deliveries()]


def _orders() -> list[str]:
    still = Order.objects.exclude(status__in=SETTLED).values_list("id", "status")
    return [f"order {id_} is not settled: {status}" for id_, status in still]


def _sagas() -> list[str]:
    """One run to place each order, ended as the order did; one to undo what was confirmed; one per return and so on."""
    running = SagaRun.objects.filter(state__in=["running", "compensating", "stuck"]).values_list("id", "state")
    steps = SagaStep.objects.filter(state__in=UNDER_WAY).values_list("run_id", "name", "state")
    found = Counter(SagaRun.objects.values_list("saga", "subject", "state"))
    wanted = Counter(_runs_of_orders())
    return [
        *(f"saga {id_} is {state}" for id_, state in running),
        *(f"step {name} of saga {id_} is {state}" for id_, name, state in steps),
        *(
            f"{count} runs too many of {saga}, {state}, for {order}"
            for (saga, order, state), count in (found - wanted).items()
        ),
        *(f"no run of {saga}, {state}, for {order}" for saga, order, state in wanted - found),
    ]


def _runs_of_orders() -> list[tuple[str, UUID, str]]:
    confirmed = set(StoredEvent.objects.filter(type="order.confirmed").values_list("stream", flat=True))
    runs = []
    for id_, status in Order.objects.values_list("id", "status"):
        was_confirmed = f"order:{id_}" in confirmed
        runs.append(("PlaceOrder", id_, "done" if was_confirmed else "undone"))
        if was_confirmed and status == "cancelled":
            runs.append(("CancelOrder", id_, "done"))
    returned = Return.objects.filter(status="refunded").values_list("order_id", flat=True)
    runs += [("RefundOrder", order, "done") for order in RefundRequest.objects.values_list("order_id", flat=True)]
    runs += [("ReturnOrder", order, "done") for order in returned]
    runs += [("CancelItems", order, "done") for order in Cancellation.objects.values_list("order_id", flat=True)]
    return runs


def _deliveries() -> list[str]:
    """All done, and as many for each event of a type as for the others."""
    undone = Delivery.objects.exclude(state=DeliveryState.DONE).values_list("subscriber", "state")
    events = Counter(StoredEvent.objects.values_list("type", flat=True))
    delivered = Delivery.objects.values_list("event__type", "subscriber").annotate(n=Count("id"))
    return [
        *(f"a delivery to {subscriber} is {state}" for subscriber, state in undone),
        *(
            f"{count} deliveries of {events[type_]} events {type_} to {subscriber}"
            for type_, subscriber, count in delivered
            if count != events[type_]
        ),
    ]
