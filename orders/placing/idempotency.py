"""Idempotency keys: a retried request gets the stored response of the first request and has no further effect.

Only successful responses are stored, in the transaction of their effect. A refused request changed nothing, so the
client can send a corrected request with the same key. Needs PostgreSQL only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

LONGEST = 255


class KeyMissing(APIException):
    status_code = 400
    default_code = "idempotency-key-missing"
    default_detail = f"Send a header Idempotency-Key of 1 to {LONGEST} characters, with a new key for each order."


class KeyTooLong(APIException):
    status_code = 400
    default_code = "idempotency-key-invalid"
    default_detail = f"The Idempotency-Key is too long: send one of 1 to {LONGEST} characters."


class KeyReused(APIException):
    status_code = 422
    default_code = "idempotency-key-reused"
    default_detail = "This Idempotency-Key was used with a different request before. Send a new key for a new order."


class InProgress(APIException):
    status_code = 409
    default_code = "request-in-progress"
    default_detail = "Another request with this Idempotency-Key is being processed. Send the request again in a moment."
    wait = 1


class AnsweredMeanwhile(Exception):
    """A concurrent transaction stored an answer under the same key first."""


@dataclass(frozen=True)
class Answer:
    """A response: stored once, sent to the first request and to its retries."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    replayed: bool = False

    def response(self) -> HttpResponse:
        headers = {**self.headers, "Idempotency-Replayed": "true"} if self.replayed else dict(self.headers)
        return HttpResponse(self.body, status=self.status, content_type="application/json", headers=headers)


@dataclass(frozen=True)
class Once:
    """A request that must take effect at most once, identified by caller and key."""

    caller: UUID
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, request: HttpRequest, caller: UUID) -> Once:
        """The request with its Idempotency-Key. Raises KeyMissing and KeyTooLong."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            raise KeyMissing
        if len(key) > LONGEST:
            raise KeyTooLong
        return cls.under(key, caller, f"{request.method} {request.path}", request.body)

    @classmethod
    def if_asked(cls, request: HttpRequest, caller: UUID) -> Once | None:
        """For endpoints with an optional key: None without one. Raises KeyMissing for an empty key, and KeyTooLong."""
        return cls.of(request, caller) if "Idempotency-Key" in request.headers else None

    @classmethod
    def under(cls, key: str, caller: UUID, what: str, body: bytes) -> Once:
        return cls(caller, key, hashlib.sha256(what.encode() + b"\n" + body).digest())

    def answered(self) -> Answer | None:
        """The stored answer, if any. Raises KeyReused, and InProgress if another transaction processes the request."""
        ours, stored = self._claim()
        if stored is None and not ours:
            raise InProgress
        return stored

    @property
    def lock(self) -> str:
        """The name of the advisory lock that a transaction holds while it processes the request."""
        return f"orders.idempotency:{self.caller}:{self.key}"

    def row(self, answer: Answer) -> list[Any]:
        """The row for this request and its answer, in the order of `COLUMNS`."""
        headers = msgspec.json.encode(answer.headers).decode()
        return [self.caller, self.key, self.fingerprint, answer.status, headers, answer.body, datetime.now(UTC)]

    def answer(self, work: Callable[[], Answer]) -> Answer:
        """Runs `work` and returns its answer, or the stored answer of an earlier run. Raises KeyReused and InProgress.

        `work` runs in the same transaction that stores its answer.
        """
        try:
            with transaction.atomic():
                return self.answered() or self._keep(work())
        except AnsweredMeanwhile as error:
            # The other transaction committed after our statement took its snapshot and before it got the lock.
            _, stored = self._claim()
            if stored is None:
                raise InProgress from error
            return stored

    def _claim(self) -> tuple[bool, Answer | None]:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [self.lock, self.caller, self.key])
            ours, fingerprint, status, headers, body = cursor.fetchone()
        if fingerprint is None:
            return ours, None
        if bytes(fingerprint) != self.fingerprint:
            raise KeyReused
        return ours, Answer(status, msgspec.json.decode(headers), bytes(body), replayed=True)

    def _keep(self, answer: Answer) -> Answer:
        keep([(self, answer)])
        return answer


def answer_once(
    request: HttpRequest, caller: UUID, work: Callable[[], tuple[int, Mapping[str, str], bytes]]
) -> HttpResponse:
    """The same for other services, which find it through `settings.ANSWER_ONCE`. `work` gives status, headers, body."""
    return Once.of(request, caller).answer(lambda: Answer(*work())).response()


def stored(requests: Sequence[Once]) -> dict[str, Answer | KeyReused]:
    """The stored answers to these requests of one caller, by key."""
    if not requests:
        return {}
    fingerprints = {request.key: request.fingerprint for request in requests}
    with connection.cursor() as cursor:
        cursor.execute(STORED, [requests[0].caller, list(fingerprints)])
        return {
            key: Answer(status, msgspec.json.decode(headers), bytes(body), replayed=True)
            if bytes(fingerprint) == fingerprints[key]
            else KeyReused()
            for key, fingerprint, status, headers, body in cursor.fetchall()
        }


def keep(answered: Sequence[tuple[Once, Answer]]) -> None:
    """Stores answers in the transaction of their effects. Raises AnsweredMeanwhile; the caller must then roll back."""
    if not answered:
        return
    # Sorted, so that two transactions that share keys cannot deadlock.
    rows = [one.row(answer) for one, answer in sorted(answered, key=lambda pair: pair[0].key)]
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [list(column) for column in zip(*rows, strict=True)])
        if cursor.rowcount != len(rows):
            raise AnsweredMeanwhile


# Tries the lock without waiting and reads the stored answer: one lookup in the unique index.
CLAIM = """
SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)), fingerprint, status, headers, body
FROM (SELECT 1) AS asked LEFT JOIN orders_idempotentrequest ON caller = %s AND key = %s
"""

STORED = """
SELECT key, fingerprint, status, headers, body FROM orders_idempotentrequest WHERE caller = %s AND key = ANY(%s)
"""

COLUMNS = "caller, key, fingerprint, status, headers, body, created_at"
_ARRAYS = "%s::uuid[], %s::text[], %s::bytea[], %s::smallint[], %s::jsonb[], %s::bytea[], %s::timestamptz[]"

# Waits for a concurrent transaction that stores the same key.
KEEP = f"""
INSERT INTO orders_idempotentrequest ({COLUMNS}) SELECT * FROM unnest({_ARRAYS})
ON CONFLICT DO NOTHING
"""  # noqa: S608  names of columns, no input  # nosec B608

# Parts of a larger statement, for many requests with different keys, each with the id of the row that it creates.
# `claimed` holds the ids of the requests that have no answer yet and that no other transaction is processing; their
# answers are stored now.
CLAIM_AND_KEEP = f"""
request AS MATERIALIZED (
    SELECT *, pg_try_advisory_xact_lock(hashtextextended(lock, 0)) AS ours
    FROM unnest(%s::uuid[], %s::text[], {_ARRAYS}) AS request (id, lock, {COLUMNS})
),
kept AS (
    INSERT INTO orders_idempotentrequest ({COLUMNS}) SELECT {COLUMNS} FROM request WHERE ours
    ON CONFLICT DO NOTHING RETURNING caller, key
),
claimed AS (SELECT request.id FROM kept JOIN request USING (caller, key))
"""  # noqa: S608  names of columns, no input  # nosec B608
