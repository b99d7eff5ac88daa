"""Sends due webhook deliveries: claims them under a lease, calls concurrently outside transactions, writes outcomes.

As with a saga's network steps, the calls run on one event loop in a thread of the process. The sending task waits for
them for `PATIENCE` seconds; a second thread writes the outcomes of slower calls when they arrive. If a process dies,
the leases of its calls expire and the deliveries are sent again.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from uuid import UUID, uuid4

import structlog
from cryptography.fernet import InvalidToken
from django.db import close_old_connections, transaction

from events import Backoff
from events.db.query import execute
from events.declare.codec import encode_json
from events.delivery.failures import storable, summary_of
from events.metrics.declare import Histogram
from events.tracing import names
from events.tracing.spans import Kind, calling, shape
from notifications import sql
from notifications.models import DisabledReason, WebhookDelivery, WebhookDeliveryState
from notifications.webhooks.client import CONNECTIONS, TIMEOUT, Answer, Client
from notifications.webhooks.endpoints import switch_off
from notifications.webhooks.fan_out import notify_sender
from notifications.webhooks.secrets import Keyring, timestamp

log = structlog.get_logger(__name__)

RETRY = Backoff(base=5, cap=86_400, attempts=15)
"""The last attempt comes between half a day and a day after the first."""
OFF_AFTER = timedelta(days=5)
"""A webhook that has failed for this long without a success is switched off."""
SILENCE = timedelta(days=2)
"""Longer than the time between two attempts. After this long without a failure, `OFF_AFTER` starts again."""
CAP = 10
"""The maximum number of concurrent calls to one webhook, in all processes together."""
LEASE = TIMEOUT + 20
"""Seconds until a delivery that was claimed and has no outcome is due again."""
PATIENCE = 1.0
"""Seconds that the task waits for a batch of calls before it claims more deliveries."""
TURN = 10.0
"""Seconds after which one task stops claiming, so that it does not look stuck."""
OUTCOMES = {
    WebhookDeliveryState.DELIVERED: "delivered",
    WebhookDeliveryState.PENDING: "retried",
    WebhookDeliveryState.FAILED: "failed",
}
ATTEMPTS = Histogram(
    "notifications_webhook_attempt_seconds", "Time of one attempt to send a webhook; failed: it was the last one.",
    ("outcome",), known=lambda: [(outcome,) for outcome in OUTCOMES.values()],
)  # fmt: skip
CALLING = shape("POST webhook", Kind.CLIENT, (names.HTTP_REQUEST_METHOD, "POST"))
LOOK_UPS = 64
"""Concurrent name lookups. There are many, so that unresponsive name servers do not block other webhooks."""


@dataclass(frozen=True)
class _Call:
    delivery: UUID
    webhook: UUID
    attempt: int
    url: str
    keyring: Keyring
    body: bytes
    traceparent: str = ""
    """The trace context of the event."""


@dataclass(frozen=True)
class CallResult:
    call: _Call
    answer: Answer

    @property
    def state(self) -> WebhookDeliveryState:
        if self.answer.is_success:
            return WebhookDeliveryState.DELIVERED
        if RETRY.exhausted(self.call.attempt) or self.answer.is_gone:
            return WebhookDeliveryState.FAILED
        return WebhookDeliveryState.PENDING


@dataclass(frozen=True)
class _Claim:
    """The calls that one lease covers, and the results of those that cannot be made."""

    lease: UUID
    calls: list[_Call] = field(default_factory=list)
    unsendable: list[CallResult] = field(default_factory=list)

    def add(self, call: _Call | None) -> None:
        if call is not None:
            self.calls.append(call)


def send_due(patience: float = PATIENCE) -> int:
    """Sends all due deliveries, up to the caps; returns how many it tried. Safe to run concurrently.

    Must run outside a transaction.
    """
    began, tried = time.monotonic(), 0
    while time.monotonic() - began < TURN:
        claim = _claim(CONNECTIONS - _under_way.count)
        if claim is None:
            return tried
        results = asyncio.run_coroutine_threadsafe(_call_all(claim, patience), _loop(os.getpid())).result()
        _conclude(claim.lease, [*results, *claim.unsendable])
        tried += len(claim.calls) + len(claim.unsendable)
    notify_sender()
    return tried


def _claim(limit: int) -> _Claim | None:
    """Claims due deliveries; None if nothing is due or the caps are reached."""
    lease = uuid4()
    with transaction.atomic():
        execute(sql.LOCK_CLAIM, [])
        rows = execute(sql.CLAIM, {"lease": lease, "seconds": LEASE, "cap": CAP, "limit": max(limit, 0)})
    if not rows:
        return None
    deliveries = WebhookDelivery.objects.filter(id__in=[id_ for (id_,) in rows]).select_related("webhook", "event")
    claim = _Claim(lease)
    for delivery in deliveries:
        try:
            claim.add(_call(delivery))
        except Exception as error:  # whatever is wrong with one delivery must not hold up the others
            log.exception("webhook delivery cannot be sent", delivery=str(delivery.id))
            claim.unsendable.append(_unsendable(delivery, error))
    return claim


def _unsendable(delivery: WebhookDelivery, error: Exception) -> CallResult:
    call = _Call(delivery.id, delivery.webhook_id, delivery.attempts, delivery.webhook.url, Keyring(()), b"")
    return CallResult(call, Answer(None, f"The request could not be built: {summary_of(error)}", 0))


def _call(delivery: WebhookDelivery) -> _Call | None:
    """The call for a delivery; None if its secret cannot be decrypted. It is then due again when its lease expires."""
    webhook = delivery.webhook
    try:
        keyring = Keyring.open(webhook.sealed)
    except InvalidToken:
        log.warning(
            "webhook secret cannot be decrypted; add the old SECRET_KEY to SECRET_KEY_FALLBACKS",
            webhook=str(webhook.id),
        )
        return None
    body = encode_json(delivery.event.envelope())
    return _Call(delivery.id, webhook.id, delivery.attempts, webhook.url, keyring, body, delivery.event.traceparent)


# --- calling -------------------------------------------------------------------------------------------------


async def _call_all(claim: _Claim, patience: float) -> list[CallResult]:
    if not claim.calls:
        return []
    tasks = [asyncio.create_task(_call_one(call)) for call in claim.calls]
    done, late = await asyncio.wait(tasks, timeout=patience)
    for task in late:
        task.add_done_callback(lambda finished: _stragglers(os.getpid()).put((claim.lease, finished.result())))
    return [task.result() for task in done]


async def _call_one(call: _Call) -> CallResult:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": str(call.delivery),
        "webhook-timestamp": timestamp(now),
        "webhook-signature": call.keyring.sign(str(call.delivery), now, call.body),
    }
    with _under_way, calling(CALLING, call.traceparent, again=call.attempt > 1) as span:
        if handed_on := span.context if span else call.traceparent:
            headers["traceparent"] = handed_on
        answer = await _client().post(call.url, headers, call.body)
        if span is not None and not answer.is_success:
            span.error = str(answer.status or "no_response")
        return CallResult(call, answer)


class _UnderWay:
    """Counts this process's open calls. Only the event loop changes it."""

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
    """The process's event loop. The key is the process id, because threads do not survive a fork."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-names"))
    threading.Thread(target=loop.run_forever, name="webhooks", daemon=True).start()
    atexit.register(_close, loop)
    return loop


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Closes the client when the process ends. Open calls are sent again when their leases expire."""
    client = _clients.pop(loop, None)
    if client is not None:
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(1)


# --- concluding ----------------------------------------------------------------------------------------------


def _conclude(lease: UUID, results: Sequence[CallResult]) -> None:
    """Writes outcomes, attempts and the health of webhooks in one transaction, for calls whose lease is valid."""
    if not results:
        return
    with transaction.atomic():
        rows = execute(
            sql.CONCLUDE,
            {
                "lease": lease,
                "ids": [one.call.delivery for one in results],
                "states": [one.state for one in results],
                "delays": [_delay(one) for one in results],
                "statuses": [one.answer.status for one in results],
                "errors": [storable(one.answer.error) for one in results],
                "durations": [one.answer.milliseconds for one in results],
            },
        )
        ours = {id_ for (id_,) in rows}
        concluded = [one for one in results if one.call.delivery in ours]
        _update_health(concluded)
        transaction.on_commit(partial(_count, concluded))


def _count(results: Sequence[CallResult]) -> None:
    for one in results:
        ATTEMPTS.observe(one.answer.milliseconds / 1000, OUTCOMES[one.state], trace=one.call.traceparent)


def _delay(result: CallResult) -> float:
    return RETRY.delay(result.call.attempt) if result.state == WebhookDeliveryState.PENDING else 0.0


def _update_health(results: Sequence[CallResult]) -> None:
    """A success resets `failing_since`. Failures alone set it, and after `OFF_AFTER` they disable the webhook."""
    if not results:
        return
    answers: dict[UUID, bool] = {}
    for one in results:
        answers[one.call.webhook] = answers.get(one.call.webhook, False) or one.answer.is_success
    rows = execute(
        sql.UPDATE_HEALTH,
        {
            "ids": list(answers),
            "answers": list(answers.values()),
            "silence": SILENCE.total_seconds(),
            "patience": OFF_AFTER.total_seconds(),
        },
    )
    gone = {one.call.webhook for one in results if one.answer.is_gone}
    failing = {id_ for id_, for_days in rows if for_days} - gone
    for ids, reason in ((gone, DisabledReason.GONE), (failing, DisabledReason.FAILING)):
        if ids:
            switch_off(sorted(ids), reason)


@cache
def _stragglers(pid: int) -> queue.SimpleQueue[tuple[UUID, CallResult]]:
    waiting: queue.SimpleQueue[tuple[UUID, CallResult]] = queue.SimpleQueue()
    threading.Thread(target=_finish, args=[waiting], name="webhook-stragglers", daemon=True).start()
    return waiting


def _finish(waiting: queue.SimpleQueue[tuple[UUID, CallResult]]) -> None:
    """Writes the outcomes of slow calls in batches, then starts sending what these webhooks still have due."""
    while True:
        arrived = [waiting.get()]
        while not waiting.empty():
            arrived.append(waiting.get())
        by_lease: dict[UUID, list[CallResult]] = {}
        for lease, result in arrived:
            by_lease.setdefault(lease, []).append(result)
        try:
            for lease, together in by_lease.items():
                _conclude(lease, together)
            if execute(sql.MORE_DUE, [[result.call.webhook for _, result in arrived]])[0][0]:
                notify_sender()
        except Exception:  # the leases expire, and the deliveries are sent again
            log.exception("outcomes of slow webhook calls not written; the deliveries will be sent again")
        finally:
            close_old_connections()
