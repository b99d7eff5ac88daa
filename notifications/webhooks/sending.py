"""Sending what is due: claimed under a lease, called outside any transaction, many at once, and concluded in one.

As with a saga's network steps the calls live on one event loop in a thread of the process. Whoever sends waits for them
only as long as its patience; what stragglers brought is written by a second thread when it comes. A process that dies
takes its calls with it: their leases run out, and they are sent again.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

import structlog
from cryptography.fernet import InvalidToken
from django.db import close_old_connections, transaction

from events import Backoff
from events.codec import encode_json
from notifications import sql
from notifications.models import DisabledReason, WebhookDelivery, WebhookDeliveryState
from notifications.webhooks.client import CONNECTIONS, TIMEOUT, Answer, Client
from notifications.webhooks.endpoints import switch_off
from notifications.webhooks.fan_out import hurry
from notifications.webhooks.secrets import Keyring, timestamp

log = structlog.get_logger(__name__)

RETRY = Backoff(base=5, cap=86_400, attempts=15)
"""The last of these comes between half a day and a day after the first."""
OFF_AFTER = timedelta(days=5)
"""A webhook that has failed for as long, without a single success, is switched off."""
SILENCE = timedelta(days=2)
"""More than lies between two tries: after as long without a failure the days are counted anew."""
CAP = 10
"""Calls under way to one webhook, in all processes together."""
LEASE = TIMEOUT + 20
"""Seconds until what was claimed and not concluded is due again."""
PATIENCE = 1.0
TURN = 10.0
"""Seconds for which one task goes on claiming, so that it never looks stuck."""
LOOK_UPS = 64
"""Names looked up at once: a name server that does not answer must not hold up other webhooks."""


@dataclass(frozen=True)
class _Call:
    delivery: UUID
    webhook: UUID
    attempt: int
    url: str
    keyring: Keyring
    body: bytes


@dataclass(frozen=True)
class _Claim:
    """Calls that are ours for a while."""

    lease: UUID
    calls: Sequence[_Call]


@dataclass(frozen=True)
class _Heard:
    call: _Call
    answer: Answer

    @property
    def state(self) -> WebhookDeliveryState:
        if self.answer.is_success:
            return WebhookDeliveryState.DELIVERED
        if RETRY.exhausted(self.call.attempt) or self.answer.is_gone:
            return WebhookDeliveryState.FAILED
        return WebhookDeliveryState.PENDING


def send_due(patience: float = PATIENCE) -> None:
    """Sends all that is due, as far as the caps allow. Must run outside a transaction; any number may run at once."""
    began = time.monotonic()
    while time.monotonic() - began < TURN:
        claim = _claim(CONNECTIONS - _under_way.count)
        if claim is None:
            return
        heard = asyncio.run_coroutine_threadsafe(_call_all(claim, patience), _loop(os.getpid())).result()
        _conclude(claim.lease, heard)
    hurry()


def _claim(most: int) -> _Claim | None:
    """None when nothing is due, or all that is due waits for what is under way."""
    lease = uuid4()
    with transaction.atomic():
        sql.run(sql.LOCK_CLAIM, [])
        rows = sql.run(sql.CLAIM, {"lease": lease, "seconds": LEASE, "cap": CAP, "limit": max(most, 0)})
    if not rows:
        return None
    deliveries = WebhookDelivery.objects.filter(id__in=[id_ for (id_,) in rows]).select_related("webhook", "event")
    calls = [call for delivery in deliveries if (call := _call(delivery)) is not None]
    return _Claim(lease, calls)


def _call(delivery: WebhookDelivery) -> _Call | None:
    """None where we cannot sign it: no fault of the webhook's, so it is due again when its lease runs out."""
    webhook = delivery.webhook
    try:
        keyring = Keyring.open(webhook.sealed)
    except InvalidToken:
        log.warning("a webhook's secret cannot be read: see SECRET_KEY_FALLBACKS", webhook=str(webhook.id))
        return None
    body = encode_json(delivery.event.envelope())
    return _Call(delivery.id, webhook.id, delivery.attempts, webhook.url, keyring, body)


# --- calling -------------------------------------------------------------------------------------------------


async def _call_all(claim: _Claim, patience: float) -> list[_Heard]:
    if not claim.calls:
        return []
    tasks = [asyncio.create_task(_call_one(call)) for call in claim.calls]
    done, late = await asyncio.wait(tasks, timeout=patience)
    for task in late:
        task.add_done_callback(lambda finished: _stragglers(os.getpid()).put((claim.lease, finished.result())))
    return [task.result() for task in done]


async def _call_one(call: _Call) -> _Heard:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": str(call.delivery),
        "webhook-timestamp": timestamp(now),
        "webhook-signature": call.keyring.sign(str(call.delivery), now, call.body),
    }
    with _under_way:
        return _Heard(call, await _client().post(call.url, headers, call.body))


class _UnderWay:
    """How many calls this process has open. Counted on the event loop alone."""

    count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


_under_way = _UnderWay()
_clients: dict[asyncio.AbstractEventLoop, Client] = {}


def _client() -> Client:
    return _clients.setdefault(asyncio.get_running_loop(), Client())


@cache
def _loop(pid: int) -> asyncio.AbstractEventLoop:
    """The process's event loop; keyed by process, since threads do not survive a fork."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-names"))
    threading.Thread(target=loop.run_forever, name="webhooks", daemon=True).start()
    atexit.register(_hang_up, loop)
    return loop


def _hang_up(loop: asyncio.AbstractEventLoop) -> None:
    """The process ends: what is under way is left to its lease."""
    client = _clients.pop(loop, None)
    if client is not None:
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(1)


# --- concluding ----------------------------------------------------------------------------------------------


def _conclude(lease: UUID, heard: Sequence[_Heard]) -> None:
    """Outcomes, their log, and what they say of their webhooks: one transaction, as far as the lease still holds."""
    if not heard:
        return
    with transaction.atomic():
        rows = sql.run(
            sql.CONCLUDE,
            {
                "lease": lease,
                "ids": [one.call.delivery for one in heard],
                "states": [one.state for one in heard],
                "delays": [_delay(one) for one in heard],
                "statuses": [one.answer.status for one in heard],
                "errors": [one.answer.error.replace("\0", "") for one in heard],
                "durations": [one.answer.milliseconds for one in heard],
            },
        )
        ours = {id_ for (id_,) in rows}
        _judge([one for one in heard if one.call.delivery in ours])


def _delay(heard: _Heard) -> float:
    return RETRY.delay(heard.call.attempt) if heard.state == WebhookDeliveryState.PENDING else 0.0


def _judge(heard: Sequence[_Heard]) -> None:
    """One success shows that a webhook is well; failures alone set its clock, and at last switch it off."""
    if not heard:
        return
    answers: dict[UUID, bool] = {}
    for one in heard:
        answers[one.call.webhook] = answers.get(one.call.webhook, False) or one.answer.is_success
    rows = sql.run(
        sql.JUDGE,
        {
            "ids": list(answers),
            "answers": list(answers.values()),
            "silence": SILENCE.total_seconds(),
            "patience": OFF_AFTER.total_seconds(),
        },
    )
    gone = {one.call.webhook for one in heard if one.answer.is_gone}
    failing = {id_ for id_, for_days in rows if for_days} - gone
    for ids, reason in ((gone, DisabledReason.GONE), (failing, DisabledReason.FAILING)):
        if ids:
            switch_off(sorted(ids), reason)


@cache
def _stragglers(pid: int) -> queue.SimpleQueue[tuple[UUID, _Heard]]:
    waiting: queue.SimpleQueue[tuple[UUID, _Heard]] = queue.SimpleQueue()
    threading.Thread(target=_finish, args=[waiting], name="webhook-stragglers", daemon=True).start()
    return waiting


def _finish(waiting: queue.SimpleQueue[tuple[UUID, _Heard]]) -> None:
    """Writes what stragglers brought, all that has arrived at once. Their webhooks may have more waiting."""
    while True:
        arrived = [waiting.get()]
        while not waiting.empty():
            arrived.append(waiting.get())
        by_lease: dict[UUID, list[_Heard]] = {}
        for lease, heard in arrived:
            by_lease.setdefault(lease, []).append(heard)
        try:
            for lease, together in by_lease.items():
                _conclude(lease, together)
            if sql.run(sql.MORE_DUE, [[heard.call.webhook for _, heard in arrived]])[0][0]:
                hurry()
        except Exception:  # the leases run out, and they are sent again
            log.exception("the outcomes of slow webhooks were not written")
        finally:
            close_old_connections()
