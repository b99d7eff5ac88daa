"""A server that may be away, behind a breaker: one subscriber and one saga call it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events import Backoff, Event, Refused
from events.breakers.breaker import Breaker, declare_breaker
from events.declare.subscribers import Failures
from events.delivery.subscribe import subscribe
from inventory.events import INVENTORY
from notifications.events import NOTIFICATIONS
from orders.events import ORDERS
from payments.events import PAYMENTS
from sagas import Answer, Call, Step, Together
from sagas.decorators import action, network_action
from sagas.saga import Saga

RETRY = Backoff(base=1, cap=4, attempts=3)
SERVER = declare_breaker(
    Breaker(
        "ailing",
        is_fault=lambda error: isinstance(error, OSError),
        window=30.0,
        minimum_calls=10,
        cool_down=0.4,
        probes=2,
    )
)
asked: list[UUID] = []
away: list[bool] = []
"""The server is away while this holds anything."""
errors: dict[UUID, Exception] = {}


def forget() -> None:
    asked.clear()
    away.clear()
    errors.clear()


def _ask(subject: UUID) -> Exception | None:
    asked.append(subject)
    return OSError("away") if away else errors.get(subject)


class Knocked(Event, type="door.knocked", version="1.0", stream="door_id"):
    """Somebody is at the door."""

    door_id: UUID


@subscribe(Knocked, queue=NOTIFICATIONS, batch=50, atomic=False, retry=RETRY, breaker="ailing")
def answer_doors(events: Sequence[Knocked]) -> Failures:
    answers = {place: _ask(event.door_id) for place, event in enumerate(events)}
    return {place: error for place, error in answers.items() if error}


class Rang(Event, type="door.rang", version="1.0", stream="door_id"):
    """Somebody rings."""

    door_id: UUID


@subscribe(Rang, queue=NOTIFICATIONS, atomic=False, ordered=True, retry=RETRY, breaker=SERVER)
def answer_one(event: Rang) -> None:
    if error := _ask(event.door_id):
        raise error


class VisitPlanned(Event, type="visit.planned", version="1.0", stream="visit_id"):
    """Somebody will come."""

    visit_id: UUID


def _all(calls: Sequence[Call]) -> Mapping[UUID, str]:
    return {call.subject: "" for call in calls}


def _nothing(answers: Sequence[Answer[str, None]]) -> None: ...


@network_action(queue=PAYMENTS, load=_all, save=_nothing, retry=RETRY, lease=5, patience=0.2, breaker="ailing")
async def announce(call: Call, given: str) -> None:
    if error := _ask(call.subject):
        raise error


@action(queue=PAYMENTS)
def excuse(calls: Sequence[Call]) -> None: ...


class Visit(Saga, on=VisitPlanned):
    """Announced, or excused."""

    stages = (Step(announce, undo=excuse),)


class PartyPlanned(Event, type="party.planned", version="1.0", stream="party_id"):
    """Many will come."""

    party_id: UUID


@action(queue=INVENTORY)
def bake(calls: Sequence[Call]) -> None: ...


@action(queue=ORDERS)
def sweep_floor(calls: Sequence[Call]) -> None: ...


class Party(Saga, on=PartyPlanned):
    """A chord, and a call behind it."""

    stages = (Together(Step(bake), Step(sweep_floor)), Step(announce, undo=excuse))


REFUSED = Refused("no", "Not today.")
