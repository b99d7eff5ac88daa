"""One answer per key: whoever sends a request again gets what the first one got, and nothing happens twice.

Only success is stored, in the transaction of its effect. A refused request changed nothing, so the same key may
try again, corrected or when the catalogue has changed. Needs PostgreSQL and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

LONGEST = 255


class KeyMissing(APIException):
    status_code = 400
    default_code = "idempotency-key-missing"
    default_detail = f"Send a header Idempotency-Key of 1 to {LONGEST} characters, a new one for each order."


class KeyReused(APIException):
    status_code = 422
    default_code = "idempotency-key-reused"
    default_detail = "This Idempotency-Key came with another request before: take a new one for a new order."


class InProgress(APIException):
    status_code = 409
    default_code = "request-in-progress"
    default_detail = "A request with this Idempotency-Key is being worked on: send it again in a moment."
    wait = 1


@dataclass(frozen=True)
class Answer:
    """A response as it is stored and sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    replayed: bool = False

    def response(self) -> HttpResponse:
        headers = {**self.headers, "Idempotency-Replayed": "true"} if self.replayed else dict(self.headers)
        return HttpResponse(self.body, status=self.status, content_type="application/json", headers=headers)


@dataclass(frozen=True)
class Once:
    """A request that must take effect once."""

    caller: UUID
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, request: HttpRequest, caller: UUID) -> Once:
        """Raises KeyMissing."""
        key = request.headers.get("Idempotency-Key", "")
        if not 1 <= len(key) <= LONGEST:
            raise KeyMissing
        digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
        digest.update(request.body)
        return cls(caller, key, digest.digest())

    def answer(self, work: Callable[[], Answer]) -> Answer:
        """What `work` answers, or what it answered the first time. Raises KeyReused or InProgress.

        `work` runs in the transaction that also stores its answer: both stay, or neither.
        """
        try:
            with transaction.atomic():
                ours, stored = self._claim()
                if stored is None and not ours:
                    raise InProgress
                return stored or self._keep(work())
        except IntegrityError as error:
            if "one_answer_per_key" not in str(error):
                raise
            # The other one committed between our statement's snapshot and its lock.
            _, stored = self._claim()
            if stored is None:
                raise InProgress from error
            return stored

    def _claim(self) -> tuple[bool, Answer | None]:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [f"orders.idempotency:{self.caller}:{self.key}", self.caller, self.key])
            ours, fingerprint, status, headers, body = cursor.fetchone()
        if fingerprint is None:
            return ours, None
        if bytes(fingerprint) != self.fingerprint:
            raise KeyReused
        return ours, Answer(status, msgspec.json.decode(headers), bytes(body), replayed=True)

    def _keep(self, answer: Answer) -> Answer:
        headers = msgspec.json.encode(answer.headers).decode()
        row: list[Any] = [
            self.caller,
            self.key,
            self.fingerprint,
            answer.status,
            headers,
            answer.body,
            datetime.now(UTC),
        ]
        with connection.cursor() as cursor:
            cursor.execute(KEEP, row)
        return answer


# The lock is tried and not waited for, and the stored answer comes with it: one step of the unique index.
CLAIM = """
SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)), fingerprint, status, headers, body
FROM (SELECT 1) AS asked LEFT JOIN orders_idempotentrequest ON caller = %s AND key = %s
"""

KEEP = """
INSERT INTO orders_idempotentrequest (caller, key, fingerprint, status, headers, body, created_at)
VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s)
"""
