"""Applies commands to the ledger and creates their answers. The caller manages the transaction."""

from decimal import Decimal
from hashlib import blake2b

import msgspec
from uuid_utils import uuid7

from payments.gateway.tokens import rule_for
from payments.sandbox.answer import KEY_REUSED, UNAVAILABLE, Answer, refuses, says
from payments.sandbox.commands import Authorize, Capture, Command, Refund, VoidAuthorization, VoidKey
from payments.sandbox.ledger import AuthorizationRow, Ledger, OperationRow

# Only these answers are stored for their key. A 404 or 409 changed nothing, and a retry can have another outcome.
FINAL = frozenset({200, 201, 402, 410})


class Outcome(msgspec.Struct, frozen=True):
    """An answer (None: the client gets none) and the fields to record with it."""

    answer: Answer | None
    authorization_id: str | None = None
    reference: str | None = None
    amount: str | None = None


class Processor:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def perform(self, key: str, command: Command) -> Answer | None:
        """Apply the command at most once per key. None means no answer. The caller must commit before it answers."""
        fingerprint = _fingerprint(command)
        seen = self._ledger.seen(key)
        if seen and seen.fingerprint != fingerprint:
            return KEY_REUSED
        if seen and seen.status is not None:
            self._ledger.count_request(key)
            return Answer(seen.status, seen.body or b"", replayed=True)
        outcome = self._judge(key, command, earlier_requests=seen.requests if seen else 0)
        self._record(key, command.kind, fingerprint, outcome)
        return outcome.answer

    def _record(self, key: str, kind: str, fingerprint: bytes, outcome: Outcome) -> None:
        answer = outcome.answer
        final = answer if answer and answer.status in FINAL else None
        operation = OperationRow(
            key=key,
            kind=kind,
            requests=1,
            status=final.status if final else None,
            authorization_id=outcome.authorization_id,
            reference=outcome.reference,
            amount=outcome.amount,
        )
        self._ledger.record(operation, fingerprint, final.body if final else None)

    def _judge(self, key: str, command: Command, earlier_requests: int) -> Outcome:
        match command:
            case Authorize():
                return self._authorize(key, command, earlier_requests)
            case Capture():
                return self._capture(command)
            case Refund():
                return self._refund(command)
            case VoidAuthorization():
                held = self._ledger.authorization(command.authorization_id)
                return self._void(held) if held else _not_found(command.authorization_id)
            case VoidKey():
                held = self._ledger.authorization_by_key(command.authorization_key)
                return self._void(held) if held else self._bar(command.authorization_key)
        raise TypeError(f"There is no rule for the command {command!r}. Add one to `_judge`.")

    def _authorize(self, key: str, command: Authorize, earlier_requests: int) -> Outcome:
        rule = rule_for(command.token)
        row: AuthorizationRow | None = None
        answer: Answer | None
        if self._ledger.is_voided(key):
            answer = refuses(410, "voided", "This key was voided before its authorization arrived.")
        elif rule.silent:
            answer = None
        elif earlier_requests < rule.outages:
            answer = UNAVAILABLE
        elif rule.decline:
            answer = refuses(402, rule.decline.code, rule.decline.message)
        else:
            row = self._hold(key, command)
            answer = _shows(201, row, "authorized")
        return Outcome(answer, row.id if row else None, command.reference, command.amount)

    def _hold(self, key: str, command: Authorize) -> AuthorizationRow:
        row = AuthorizationRow(
            id=f"auth_{uuid7().hex}",
            key=key,
            token=command.token,
            amount=command.amount,
            currency=command.currency,
            reference=command.reference,
            status="authorized",
            refunded="0",
        )
        self._ledger.add_authorization(row)
        return row

    def _capture(self, command: Capture) -> Outcome:
        row = self._ledger.authorization(command.authorization_id)
        if row is None:
            return _not_found(command.authorization_id)
        if row.status == "voided":
            answer = refuses(409, "voided", "The authorization was voided. Authorize again.")
        elif rule_for(row.token).capture_fails:
            answer = refuses(402, "capture_failed", "The card's bank refused the capture.")
        else:
            self._ledger.set_status(row.id, "captured")
            answer = _shows(200, row, "captured")
        return _about(row, answer)

    def _void(self, row: AuthorizationRow) -> Outcome:
        if row.status == "captured":
            return _about(row, refuses(409, "already_captured", "The amount was captured. Refund it instead."))
        self._ledger.set_status(row.id, "voided")
        return _about(row, _shows(200, row, "voided"))

    def _bar(self, authorization_key: str) -> Outcome:
        self._ledger.void_key(authorization_key)
        return Outcome(says(200, {"id": None, "status": "voided"}))

    def _refund(self, command: Refund) -> Outcome:
        row = self._ledger.authorization(command.authorization_id)
        if row is None:
            return _not_found(command.authorization_id)
        refunded = Decimal(row.refunded) + Decimal(command.amount)
        if command.currency not in (None, row.currency):
            answer = refuses(400, "currency_mismatch", f"The authorization is in {row.currency}.")
        elif row.status != "captured":
            answer = refuses(409, "not_captured", "Nothing was captured, so there is nothing to refund.")
        elif refunded > Decimal(row.amount):
            answer = refuses(409, "refund_exceeds_captured", "The refund exceeds the remaining captured amount.")
        else:
            self._ledger.set_refunded(row.id, refunded)
            answer = _refunds(row, command.amount)
        return Outcome(answer, row.id, row.reference, command.amount)


def _fingerprint(command: Command) -> bytes:
    return blake2b(command.kind.encode() + msgspec.json.encode(command), digest_size=16).digest()


def _shows(http_status: int, row: AuthorizationRow, status: str) -> Answer:
    body = {"id": row.id, "status": status, "amount": row.amount, "currency": row.currency}
    return says(http_status, body | {"reference": row.reference})


def _refunds(row: AuthorizationRow, amount: str) -> Answer:
    body = {"id": f"re_{uuid7().hex}", "status": "refunded", "authorizationId": row.id}
    return says(201, body | {"amount": amount, "currency": row.currency})


def _about(row: AuthorizationRow, answer: Answer) -> Outcome:
    return Outcome(answer, row.id, row.reference, row.amount)


def _not_found(authorization_id: str) -> Outcome:
    return Outcome(refuses(404, "not_found", f"There is no authorization {authorization_id!r}."))
