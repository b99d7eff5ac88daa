"""What sagas do with money. Each action loads for a batch, calls once per order, and saves for the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from events import Backoff, Queue, Refused
from events.aggregate import save_all
from payments.gateway.port import Authorization, Charge, Declined
from payments.gateways import gateway
from payments.models import Payment, PaymentStatus, Refund
from sagas import Answer, Call, network_action

RETRY = Backoff(base=1.0, cap=15.0, attempts=3)
UNDO = Backoff(base=1.0, cap=60.0, attempts=10)


CAPTURED = {PaymentStatus.SUCCEEDED, PaymentStatus.AUTHORIZED}
"""Or perhaps captured, because no answer came."""
REFUNDABLE = {*CAPTURED, PaymentStatus.PARTIALLY_REFUNDED}
NEEDED = (
    "token", "amount", "currency", "refunded", "status", "reason", "authorization_key", "authorization_id",
)  # fmt: skip
"""All but its times: they are slow to load."""


@dataclass(frozen=True)
class Given:
    """Money given back: the processor's id of it, and the key that it was asked under."""

    refund_id: str
    key: str


def _payments(calls: Sequence[Call]) -> dict[UUID, Payment]:
    return _payments_of([call.subject for call in calls])


def _payments_of(ids: Sequence[UUID]) -> dict[UUID, Payment]:
    return {payment.order_id: payment for payment in Payment.locked(ids, *NEEDED)}


def _as_loaded(answers: Sequence[Answer[Payment, Any]]) -> dict[UUID, Payment]:
    """What was loaded for the calls. `save_all` raises Conflict for one that has been changed since: it is tried again.

    Copies, because a batch that cannot be saved as a whole is saved in parts.
    """
    return {answer.call.subject: copy(answer.given) for answer in answers}


# --- authorize ---------------------------------------------------------------------------------------------


def _to_authorize(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    """`given` is (token, money). The row is there before the call: what may have been held can be undone."""
    payments = _payments(calls)
    new = [
        Payment(
            order_id=call.subject, token=call.given[0], amount=call.given[1].amount,
            currency=call.given[1].currency, authorization_key=call.key,
        )
        for call in calls
        if call.subject not in payments
    ]  # fmt: skip
    save_all(new)
    payments.update({payment.order_id: payment for payment in new})
    return {order_id: payment for order_id, payment in payments.items() if payment.status == PaymentStatus.PENDING}


def _save_authorizations(answers: Sequence[Answer[Payment, Authorization]]) -> None:
    payments = _as_loaded(answers)
    for answer in answers:
        payment = payments[answer.call.subject]
        if answer.refused:
            payment.fail(answer.refused.code, answer.refused.detail)
        elif answer.value:
            payment.authorize(answer.value.id)
    save_all(list(payments.values()), ("status", "reason", "authorization_id"))


@network_action(queue=Queue.PAYMENTS, load=_to_authorize, save=_save_authorizations, retry=RETRY, breaker="payments")
async def authorize_payment(call: Call, payment: Payment) -> Authorization:
    """Holds the order's total on the card; a declined card refuses."""
    charge = Charge(payment.token, payment.amount, payment.currency, str(payment.order_id))
    try:
        return await gateway().authorize(charge, call.key)
    except Declined as declined:
        raise Refused(declined.code, declined.message) from declined


# --- capture -----------------------------------------------------------------------------------------------


def _to_capture(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    return {key: one for key, one in _payments(calls).items() if one.status == PaymentStatus.AUTHORIZED}


def _save_captures(answers: Sequence[Answer[Payment, None]]) -> None:
    payments = _as_loaded(answers)
    for answer in answers:
        payment = payments[answer.call.subject]
        if answer.refused:
            payment.fail(answer.refused.code, answer.refused.detail)
        else:
            payment.succeed()
    save_all(list(payments.values()), ("status", "reason"))


@network_action(queue=Queue.PAYMENTS, load=_to_capture, save=_save_captures, retry=RETRY, breaker="payments")
async def capture_payment(call: Call, payment: Payment) -> None:
    """Takes the money that is held."""
    try:
        await gateway().capture(payment.authorization_id, call.key)
    except Declined as declined:
        raise Refused(declined.code, declined.message) from declined


# --- void --------------------------------------------------------------------------------------------------


def _to_void(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    """What is held, and what may be held because no answer came; a card that was declined holds nothing."""
    return {
        order_id: payment
        for order_id, payment in _payments(calls).items()
        if payment.status in {PaymentStatus.PENDING, PaymentStatus.AUTHORIZED}
        or (payment.status == PaymentStatus.FAILED and payment.authorization_id)
    }


def _save_voids(answers: Sequence[Answer[Payment, Given | None]]) -> None:
    refunded = [answer for answer in answers if answer.value is not None]
    voided = _payments([answer.call for answer in answers if answer.value is None])
    for payment in voided.values():
        payment.void()
    save_all(list(voided.values()), ("status",))
    _save_refunds(refunded)


@network_action(queue=Queue.PAYMENTS, load=_to_void, save=_save_voids, retry=UNDO, breaker="payments")
async def void_payment(call: Call, payment: Payment) -> Given | None:
    """Lets go of what is held, by the key of the authorization: that works whether or not its answer came.

    Money that was taken by a capture whose answer never came is given back instead, unless a person has seen to that.
    """
    try:
        await gateway().void(payment.authorization_key, call.key)
    except Declined as declined:
        if declined.code != "already_captured":
            raise
        if capture_payment.name in call.skipped:
            return None
        return await _refund(payment, f"{call.key}:refund")
    return None


# --- refund ------------------------------------------------------------------------------------------------


def _to_refund(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    """What was captured, and what may have been because no answer came."""
    return {order_id: payment for order_id, payment in _payments(calls).items() if payment.status in CAPTURED}


def _save_refunds(answers: Sequence[Answer[Payment, Given | None]]) -> None:
    payments = _payments([answer.call for answer in answers])
    refunds = []
    for answer in answers:
        if answer.value is not None:
            payment, given = payments[answer.call.subject], answer.value
            payment.refund(payment.amount, given.refund_id)
            refunds.append(Refund(key=given.key, payment=payment, amount=payment.amount, refund_id=given.refund_id))
    save_all([refund.payment for refund in refunds], ("status", "refunded"))
    Refund.objects.bulk_create(refunds)


@network_action(queue=Queue.PAYMENTS, load=_to_refund, save=_save_refunds, retry=UNDO, breaker="payments")
async def refund_payment(call: Call, payment: Payment) -> Given | None:
    """Gives the whole amount back; nothing where nothing had been captured."""
    try:
        return await _refund(payment, call.key)
    except Declined as declined:
        if declined.code == "not_captured":
            return None
        raise


async def _refund(payment: Payment, key: str, amount: Decimal | None = None) -> Given:
    """The whole amount, unless another one is named."""
    amount = payment.amount if amount is None else amount
    refund_id = await gateway().refund(payment.authorization_id, amount, payment.currency, key)
    return Given(refund_id, key)


# --- refund of a return ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owed:
    """What of a payment goes back for one return."""

    payment: Payment
    amount: Decimal


def _to_refund_return(calls: Sequence[Call]) -> Mapping[UUID, Owed]:
    """`given` is (order, money); several returns of one order may be among the calls."""
    payments = _payments_of([call.given[0] for call in calls])
    owed = {
        call.subject: Owed(payments[order_id], money.amount)
        for call in calls
        for order_id, money in [call.given]
        if order_id in payments
    }
    return {return_id: one for return_id, one in owed.items() if one.payment.status in REFUNDABLE and one.amount}


def _save_return_refunds(answers: Sequence[Answer[Owed, Given | None]]) -> None:
    payments = _payments_of([answer.given.payment.order_id for answer in answers])
    refunds = []
    for answer in answers:
        if answer.value is not None:
            payment, given, amount = payments[answer.given.payment.order_id], answer.value, answer.given.amount
            payment.refund(amount, given.refund_id)
            refunds.append(Refund(key=given.key, payment=payment, amount=amount, refund_id=given.refund_id))
    save_all([payment for payment in payments.values() if payment.recorded], ("status", "refunded"))
    Refund.objects.bulk_create(refunds)


@network_action(queue=Queue.PAYMENTS, load=_to_refund_return, save=_save_return_refunds, retry=UNDO, breaker="payments")
async def refund_return(call: Call, owed: Owed) -> Given | None:
    """Gives back what the returned goods cost; nothing where nothing had been captured."""
    try:
        return await _refund(owed.payment, call.key, owed.amount)
    except Declined as declined:
        if declined.code == "not_captured":
            return None
        raise
