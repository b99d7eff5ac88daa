"""The saga steps of the payments service. Each loads a batch, makes one call per order, and saves the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from events import Backoff, Money, Refused
from events.log.aggregate import save_all
from payments.events import PAYMENTS
from payments.gateway.port import Authorization, Charge, Declined, GatewayUnavailable
from payments.gateways import gateway
from payments.models import Payment, PaymentStatus, Refund
from sagas import Answer, Call, GivenUp
from sagas.decorators import network_action

RETRY = Backoff(base=1.0, cap=15.0, attempts=3)
UNDO = Backoff(base=1.0, cap=60.0, attempts=10)


HELD = {PaymentStatus.PENDING, PaymentStatus.AUTHORIZED}
"""Held on the card, or possibly held because the answer to the authorization was lost."""
REFUNDABLE = {PaymentStatus.SUCCEEDED, PaymentStatus.AUTHORIZED, PaymentStatus.PARTIALLY_REFUNDED}
"""Captured, or possibly captured because the answer to the capture was lost."""
OPEN = {*HELD, *REFUNDABLE, PaymentStatus.FAILED}
"""Money may be held or captured: after a failed capture, too."""
NEEDED = (
    "token", "amount", "currency", "refunded", "status", "reason", "authorization_key", "authorization_id",
)  # fmt: skip
"""All fields except the times, which are slow to load."""


@dataclass(frozen=True)
class RefundResult:
    """Money refunded: the processor's id of it, and the key that it was asked under."""

    refund_id: str
    key: str


def _payments(calls: Sequence[Call]) -> dict[UUID, Payment]:
    return _payments_of([call.subject for call in calls])


def _payments_of(ids: Sequence[UUID]) -> dict[UUID, Payment]:
    return {payment.order_id: payment for payment in Payment.locked(ids, *NEEDED)}


def _conclude_free(payments: Mapping[UUID, Payment], conclude: Callable[[Payment], None]) -> None:
    """Concludes the payments of orders that cost nothing, for which the card is never asked."""
    free = [one for one in payments.values() if one.status == PaymentStatus.PENDING and not one.amount]
    for payment in free:
        conclude(payment)
    save_all(free, ("status",))


def _as_loaded(answers: Sequence[Answer[Payment, Any]]) -> dict[UUID, Payment]:
    """The payments as loaded before the calls. If one has changed since, `save_all` raises Conflict: the step retries.

    They are copies, because a batch that cannot be saved as a whole is saved in parts.
    """
    return {answer.call.subject: copy(answer.loaded) for answer in answers}


# --- authorize ---------------------------------------------------------------------------------------------


def _to_authorize(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    """`input` is (token, amount). Saves the row before the call, so that a lost authorization can be voided.

    An order that costs nothing needs no call, here or in any other step.
    """
    payments = _payments(calls)
    new = [
        Payment(
            order_id=call.subject, token=call.input[0], amount=call.input[1].amount,
            currency=call.input[1].currency, authorization_key=call.key,
        )
        for call in calls
        if call.subject not in payments
    ]  # fmt: skip
    save_all(new)
    payments.update({payment.order_id: payment for payment in new})
    pending = {order_id: one for order_id, one in payments.items() if one.status == PaymentStatus.PENDING}
    return {order_id: payment for order_id, payment in pending.items() if payment.amount}


def _save_authorizations(answers: Sequence[Answer[Payment, Authorization]]) -> None:
    payments = _as_loaded(answers)
    for answer in answers:
        payment = payments[answer.call.subject]
        if answer.refused:
            payment.fail(answer.refused.code, answer.refused.detail)
        elif answer.value:
            payment.authorize(answer.value.id)
    save_all(list(payments.values()), ("status", "reason", "authorization_id"))


@network_action(queue=PAYMENTS, load=_to_authorize, save=_save_authorizations, retry=RETRY, breaker="payments")
async def authorize_payment(call: Call, payment: Payment) -> Authorization:
    """Holds the order's total on the card. Refuses with the processor's code if the card is declined."""
    charge = Charge(payment.token, payment.money.amount, payment.currency, str(payment.order_id))
    try:
        return await gateway().authorize(charge, call.key)
    except Declined as declined:
        raise Refused(declined.code, declined.message) from declined


# --- capture -----------------------------------------------------------------------------------------------


def _to_capture(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    """The authorized payments. One of nothing succeeds here, because there is nothing to capture."""
    payments = _payments(calls)
    _conclude_free(payments, Payment.succeed)
    return {key: one for key, one in payments.items() if one.status == PaymentStatus.AUTHORIZED}


def _save_captures(answers: Sequence[Answer[Payment, None]]) -> None:
    payments = _as_loaded(answers)
    for answer in answers:
        payment = payments[answer.call.subject]
        if answer.refused:
            payment.fail(answer.refused.code, answer.refused.detail)
        else:
            payment.succeed()
    save_all(list(payments.values()), ("status", "reason"))


@network_action(queue=PAYMENTS, load=_to_capture, save=_save_captures, retry=RETRY, breaker="payments")
async def capture_payment(call: Call, payment: Payment) -> None:
    """Captures the authorized amount. Refuses with the processor's code if it is declined."""
    try:
        await gateway().capture(payment.authorization_id, call.key)
    except Declined as declined:
        raise Refused(declined.code, declined.message) from declined


# --- what could not be given back --------------------------------------------------------------------------


def _give_up(given_up: Sequence[GivenUp]) -> None:
    """Records that money was not given back, for refunds and voids that have no attempt left."""
    payments = _payments_of([_order_of(one.call) for one in given_up])
    for one in given_up:
        payment = payments.get(_order_of(one.call))
        if payment is not None and payment.status in OPEN:
            reason, detail = _why(one.error)
            amount = _owed(one.call, payment).amount
            payment.fail_refund(amount, one.call.subject, reason=reason, detail=detail)
    _save_recorded(payments)


def _why(error: Exception) -> tuple[str, str]:
    """A code and a text. Other errors than the processor's may contain anything, so their text stays out of the log."""
    if isinstance(error, Declined):
        return error.code, error.message
    if isinstance(error, GatewayUnavailable | TimeoutError):
        return "no_answer", "The payment processor did not answer."
    return "error", type(error).__name__


def _settle_refunds(calls: Sequence[Call]) -> None:
    """Records what a person refunded by hand."""
    payments = _payments_of([_order_of(call) for call in calls])
    for call in calls:
        payment = payments.get(_order_of(call))
        if payment is not None and payment.status in REFUNDABLE:
            payment.refund(_owed(call, payment).amount, "", call.subject)
    _save_recorded(payments)


def _settle_voids(calls: Sequence[Call]) -> None:
    """Records what a person released by hand."""
    payments = _payments(calls)
    for payment in payments.values():
        if payment.status in OPEN:
            payment.void()
    _save_recorded(payments)


def _save_recorded(payments: Mapping[UUID, Payment]) -> None:
    save_all([payment for payment in payments.values() if payment.recorded], ("status", "refunded"))


# --- void --------------------------------------------------------------------------------------------------


def _to_void(calls: Sequence[Call]) -> Mapping[UUID, Payment]:
    """Authorized payments, and those possibly authorized because the answer was lost. A declined card holds nothing.

    A payment of nothing is voided here, because the card was never asked.
    """
    payments = _payments(calls)
    _conclude_free(payments, Payment.void)
    return {
        order_id: payment
        for order_id, payment in payments.items()
        if payment.status in HELD or (payment.status == PaymentStatus.FAILED and payment.authorization_id)
    }


def _save_voids(answers: Sequence[Answer[Payment, RefundResult | None]]) -> None:
    refunded = [answer for answer in answers if answer.value is not None]
    voided = _payments([answer.call for answer in answers if answer.value is None])
    for payment in voided.values():
        payment.void()
    save_all(list(voided.values()), ("status",))
    _record_refunds([(answer.call, Owed(answer.loaded, answer.loaded.amount), answer.value) for answer in refunded])


@network_action(
    queue=PAYMENTS, load=_to_void, save=_save_voids, retry=UNDO, breaker="payments", given_up=_give_up,
    settled=_settle_voids,
)  # fmt: skip
async def void_payment(call: Call, payment: Payment) -> RefundResult | None:
    """Releases what is held, by the key of the authorization: that works whether or not its answer came.

    Money that was taken by a capture whose answer never came is refunded instead, unless a person has seen to that.
    """
    try:
        await gateway().void(payment.authorization_key, call.key)
    except Declined as declined:
        if declined.code != "already_captured":
            raise
        if capture_payment.name in call.skipped:
            return None
        return await _refund(payment, payment.amount, f"{call.key}:refund")
    return None


# --- refund ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owed:
    """How much of a payment is to be refunded."""

    payment: Payment
    amount: Decimal


def _to_refund(calls: Sequence[Call]) -> Mapping[UUID, Owed]:
    """`input` is (order id, amount), or None for all that is left of the payment of the subject, an order.

    The calls can contain several parts of one order. Money was captured, or may have been because no answer came.
    """
    payments = _payments_of([_order_of(call) for call in calls])
    owed = {call.subject: _owed(call, payments[_order_of(call)]) for call in calls if _order_of(call) in payments}
    return {subject: one for subject, one in owed.items() if one.payment.status in REFUNDABLE and one.amount}


def _order_of(call: Call) -> UUID:
    return call.input[0] if call.input else call.subject


def _owed(call: Call, payment: Payment) -> Owed:
    return Owed(payment, call.input[1].amount if call.input else payment.amount - payment.refunded)


def _save_refunds(answers: Sequence[Answer[Owed, RefundResult | None]]) -> None:
    _record_refunds([(answer.call, answer.loaded, answer.value) for answer in answers])


def _record_refunds(refunded: Sequence[tuple[Call, Owed, RefundResult | None]]) -> None:
    """The result is None where the processor had nothing to refund."""
    payments = _payments_of([owed.payment.order_id for _, owed, _ in refunded])
    refunds = []
    for call, owed, given in refunded:
        if given is not None:
            payment = payments[owed.payment.order_id]
            payment.refund(owed.amount, given.refund_id, part=call.subject)
            refunds.append(Refund(key=given.key, payment=payment, amount=owed.amount, refund_id=given.refund_id))
    _save_recorded(payments)
    Refund.objects.bulk_create(refunds)


@network_action(
    queue=PAYMENTS, load=_to_refund, save=_save_refunds, retry=UNDO, breaker="payments", given_up=_give_up,
    settled=_settle_refunds,
)  # fmt: skip
async def refund_payment(call: Call, owed: Owed) -> RefundResult | None:
    """Refunds what a cancellation made due, or undoes a capture; does nothing where nothing had been captured."""
    return await _refund_captured(owed, call.key)


@network_action(
    queue=PAYMENTS, load=_to_refund, save=_save_refunds, retry=UNDO, breaker="payments", given_up=_give_up,
    settled=_settle_refunds,
)  # fmt: skip
async def refund_part(call: Call, owed: Owed) -> RefundResult | None:
    """Refunds a part of a payment: the subject is the part, `input` is (order id, amount)."""
    return await _refund_captured(owed, call.key)


@network_action(
    queue=PAYMENTS, load=_to_refund, save=_save_refunds, retry=UNDO, breaker="payments", given_up=_give_up,
    settled=_settle_refunds,
)  # fmt: skip
async def refund_return(call: Call, owed: Owed) -> RefundResult | None:
    """As `refund_part`; runs of `ReturnOrder` know the step by this name."""
    return await _refund_captured(owed, call.key)


async def _refund_captured(owed: Owed, key: str) -> RefundResult | None:
    try:
        return await _refund(owed.payment, owed.amount, key)
    except Declined as declined:
        if declined.code == "not_captured":
            return None
        raise


async def _refund(payment: Payment, amount: Decimal, key: str) -> RefundResult:
    money = Money(amount, payment.currency)
    return RefundResult(await gateway().refund(payment.authorization_id, money.amount, money.currency, key), key)
