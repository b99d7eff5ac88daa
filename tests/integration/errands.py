"""A saga whose steps do as a test tells them, for the tests of the saga kernel."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from events import Backoff, Event, Refused
from inventory.events import INVENTORY
from orders.events import ORDERS
from payments.events import PAYMENTS
from sagas import Answer, Call, Pivot, Refusals, Step, Together
from sagas.decorators import action, network_action
from sagas.saga import Saga

RETRY = Backoff(base=1, cap=4, attempts=2)
did: list[tuple[str, UUID]] = []
keys: dict[UUID, list[str]] = defaultdict(list)
errors: dict[tuple[str, UUID], Exception] = {}
slow: dict[UUID, float] = {}


def forget() -> None:
    did.clear()
    keys.clear()
    errors.clear()
    slow.clear()


class ErrandWanted(Event, type="errand.wanted", version="1.0", stream="errand_id"):
    """Somebody wants an errand done."""

    errand_id: UUID


def _do(name: str, calls: Sequence[Call]) -> Refusals:
    refused = {}
    for call in calls:
        error = errors.get((name, call.subject))
        if isinstance(error, Refused):
            refused[call.subject] = error
        elif error:
            raise error
    did.extend((name, call.subject) for call in calls if call.subject not in refused)
    return refused


@action(queue=INVENTORY, retry=RETRY)
def fetch(calls: Sequence[Call]) -> Refusals:
    return _do("fetch", calls)


@action(queue=INVENTORY, retry=RETRY)
def put_back(calls: Sequence[Call]) -> None:
    _do("put_back", calls)


def _to_ask(calls: Sequence[Call]) -> Mapping[UUID, str]:
    return {call.subject: "please" for call in calls if ("nothing to ask", call.subject) not in errors}


def _asked(answers: Sequence[Answer[str, str]]) -> None:
    did.extend(("asked", answer.call.subject) for answer in answers if answer.value)


@network_action(queue=PAYMENTS, load=_to_ask, save=_asked, retry=RETRY, lease=5, patience=0.2)
async def ask(call: Call, given: str) -> str:
    keys[call.subject].append(call.key)
    await asyncio.sleep(slow.get(call.subject, 0))
    if error := errors.get(("ask", call.subject)):
        raise error
    return given


@action(queue=PAYMENTS, retry=RETRY)
def apologize(calls: Sequence[Call]) -> None:
    _do("apologize", calls)


@action(queue=ORDERS, retry=RETRY)
def report(calls: Sequence[Call]) -> Refusals:
    return _do("report", calls)


class Errand(Saga, on=ErrandWanted):
    """Fetch and ask together, then report."""

    stages = (Together(Step(fetch, undo=put_back), Step(ask, undo=apologize)), Pivot(report))
