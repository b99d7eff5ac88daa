"""A saga of single steps in a row: a call, then database work on other queues."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events import Backoff, Event, Refused
from inventory.events import INVENTORY
from orders.events import ORDERS
from payments.events import PAYMENTS
from sagas import Answer, Call, Pivot, Refusals, Step
from sagas.decorators import action, network_action
from sagas.saga import Saga

RETRY = Backoff(base=1, cap=4, attempts=2)
errors: dict[tuple[str, UUID], Exception] = {}
calls_of: list[tuple[str, list[UUID]]] = []
asked: list[UUID] = []
"""Over the network."""


def forget() -> None:
    errors.clear()
    calls_of.clear()
    asked.clear()


class ConsignmentWanted(Event, type="consignment.wanted", version="1.0", stream="parcel_id"):
    """Somebody wants a parcel sent."""

    parcel_id: UUID


def _do(name: str, calls: Sequence[Call]) -> Refusals:
    calls_of.append((name, [call.subject for call in calls]))
    told = {call.subject: errors[name, call.subject] for call in calls if (name, call.subject) in errors}
    for error in told.values():
        if not isinstance(error, Refused):
            raise error
    return {subject: error for subject, error in told.items() if isinstance(error, Refused)}


def _to_book(calls: Sequence[Call]) -> Mapping[UUID, str]:
    return {call.subject: "please" for call in calls}


def _booked(answers: Sequence[Answer[str, str]]) -> None:
    calls_of.append(("booked", [answer.call.subject for answer in answers]))


@network_action(queue=PAYMENTS, load=_to_book, save=_booked, retry=RETRY, lease=5, patience=2)
async def book(call: Call, given: str) -> str:
    asked.append(call.subject)
    return given


@action(queue=PAYMENTS, retry=RETRY)
def unbook(calls: Sequence[Call]) -> None:
    _do("unbook", calls)


@action(queue=INVENTORY, retry=RETRY)
def wrap(calls: Sequence[Call]) -> Refusals:
    return _do("wrap", calls)


@action(queue=INVENTORY, retry=RETRY)
def unwrap(calls: Sequence[Call]) -> None:
    _do("unwrap", calls)


@action(queue=ORDERS, retry=RETRY)
def hand_in(calls: Sequence[Call]) -> Refusals:
    return _do("hand_in", calls)


class Consignment(Saga, on=ConsignmentWanted):
    """Book, wrap, hand in."""

    stages = (Step(book, undo=unbook), Step(wrap, undo=unwrap), Pivot(hand_in))
