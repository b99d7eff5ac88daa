"""What payments may rely on from any card processor, and what the in-process one adds.

`GatewayContract` runs here without a network; the integration tests run the same over HTTP.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

import pytest

from payments.gateway import Authorization, Charge, Declined, Gateway, GatewayError, GatewayUnavailable
from payments.gateway.answers import read_answer
from payments.gateway.memory import InProcessGateway
from payments.gateway.tokens import RULES, rule_for
from payments.sandbox.ledger import AuthorizationRow, OperationRow

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]
TIMEOUT = 0.25
VISA = "tok_visa"
_numbers = count()


def fresh(name: str) -> str:
    """A key or reference no other test of this run uses."""
    return f"{name}-{next(_numbers)}-{time.monotonic_ns()}"


def charge(token: str = VISA, amount: str = "19.99", reference: str | None = None) -> Charge:
    return Charge(token, Decimal(amount), "EUR", reference or fresh("order"))


class Books:
    """What the processor did, and the switches that make it fail."""

    def authorizations(self, reference: str) -> list[AuthorizationRow]:
        raise NotImplementedError

    def operations(self) -> list[OperationRow]:
        raise NotImplementedError

    def outage(self, on: bool) -> None:
        raise NotImplementedError

    def latency(self, ms: int) -> None:
        raise NotImplementedError

    def act_then_hang(self, on: bool | int) -> None:
        raise NotImplementedError

    def operation(self, key: str) -> OperationRow:
        return next(row for row in self.operations() if row.key == key)

    def statuses(self, reference: str) -> list[str]:
        return [row.status for row in self.authorizations(reference)]


class GatewayContract:
    """Subclasses provide the fixtures `gateway`, with a timeout of TIMEOUT seconds, and `books`."""

    @pytest.fixture
    def run(self) -> Iterator[Run[Any]]:
        with asyncio.Runner() as runner:
            yield runner.run

    def authorized(self, run: Run[Authorization], gateway: Gateway, token: str = VISA) -> tuple[str, str]:
        """An authorization's id and its order's reference."""
        wanted = charge(token)
        return run(gateway.authorize(wanted, fresh("auth"))).id, wanted.reference

    # Tokens

    def test_a_good_card_is_authorized_and_captured(self, run, gateway, books):
        authorization_id, reference = self.authorized(run, gateway)
        assert books.statuses(reference) == ["authorized"]
        run(gateway.capture(authorization_id, fresh("capture")))
        assert books.statuses(reference) == ["captured"]

    @pytest.mark.parametrize(
        ("token", "code"),
        [
            ("tok_declined", "card_declined"),
            ("tok_insufficient_funds", "insufficient_funds"),
            ("tok_nobody_knows", "invalid_token"),
        ],
    )
    def test_a_bad_card_is_declined_and_holds_nothing(self, run, gateway, books, token, code):
        wanted = charge(token)
        with pytest.raises(Declined) as declined:
            run(gateway.authorize(wanted, fresh("auth")))
        assert declined.value.code == code
        assert declined.value.message
        assert books.authorizations(wanted.reference) == []

    def test_a_silent_card_is_given_up_in_time_and_holds_nothing(self, run, gateway, books):
        wanted = charge("tok_timeout")
        started = time.monotonic()
        with pytest.raises(GatewayUnavailable):
            run(gateway.authorize(wanted, fresh("auth")))
        assert TIMEOUT * 0.9 < time.monotonic() - started < TIMEOUT * 2
        assert books.authorizations(wanted.reference) == []

    def test_a_flaky_card_is_authorized_at_the_third_request(self, run, gateway, books):
        wanted, key = charge("tok_flaky"), fresh("auth")
        for _ in range(2):
            with pytest.raises(GatewayUnavailable):
                run(gateway.authorize(wanted, key))
        assert run(gateway.authorize(wanted, key)).id
        assert books.statuses(wanted.reference) == ["authorized"]
        assert books.operation(key).requests == 3

    def test_a_capture_can_fail_after_a_good_authorization(self, run, gateway, books):
        authorization_id, reference = self.authorized(run, gateway, "tok_capture_fails")
        with pytest.raises(Declined) as declined:
            run(gateway.capture(authorization_id, fresh("capture")))
        assert declined.value.code == "capture_failed"
        assert books.statuses(reference) == ["authorized"]

    # Idempotency

    def test_the_same_authorize_twice_holds_once(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")
        first = run(gateway.authorize(wanted, key))
        assert run(gateway.authorize(wanted, key)) == first
        assert books.statuses(wanted.reference) == ["authorized"]
        assert books.operation(key).requests == 2

    def test_the_same_authorize_at_the_same_time_holds_once(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")

        async def together() -> set[Authorization]:
            return set(await asyncio.gather(*(gateway.authorize(wanted, key) for _ in range(20))))

        assert len(run(together())) == 1
        assert books.statuses(wanted.reference) == ["authorized"]
        assert books.operation(key).requests == 20

    def test_a_decline_is_repeated_word_for_word(self, run, gateway):
        wanted, key = charge("tok_declined"), fresh("auth")
        declines = []
        for _ in range(2):
            with pytest.raises(Declined) as declined:
                run(gateway.authorize(wanted, key))
            declines.append(declined.value.args)
        assert declines[0] == declines[1]

    def test_a_key_used_for_something_else_is_a_bug(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")
        run(gateway.authorize(wanted, key))
        dearer = charge(amount="20.00", reference=wanted.reference)
        with pytest.raises(GatewayError, match="422"):
            run(gateway.authorize(dearer, key))
        assert [row.amount for row in books.authorizations(wanted.reference)] == ["19.99"]

    def test_capturing_again_captures_once(self, run, gateway, books):
        authorization_id, reference = self.authorized(run, gateway)
        key = fresh("capture")
        for again in (key, key, fresh("capture")):
            run(gateway.capture(authorization_id, again))
        assert books.statuses(reference) == ["captured"]

    # Void

    def test_an_authorization_is_voided_by_its_key_as_often_as_wanted(self, run, gateway, books):
        wanted, authorize_key = charge(), fresh("auth")
        run(gateway.authorize(wanted, authorize_key))
        key = fresh("void")
        for again in (key, key, fresh("void")):
            run(gateway.void(authorize_key, again))
        assert books.statuses(wanted.reference) == ["voided"]

    def test_a_voided_authorization_cannot_be_captured(self, run, gateway):
        authorize_key = fresh("auth")
        authorization = run(gateway.authorize(charge(), authorize_key))
        run(gateway.void(authorize_key, fresh("void")))
        with pytest.raises(Declined) as declined:
            run(gateway.capture(authorization.id, fresh("capture")))
        assert declined.value.code == "voided"

    @pytest.mark.parametrize("token", ["tok_visa", "tok_timeout", "tok_flaky"])
    def test_an_authorize_that_arrives_after_its_void_is_refused(self, run, gateway, books, token):
        wanted, authorize_key = charge(token), fresh("auth")
        run(gateway.void(authorize_key, fresh("void")))
        with pytest.raises(Declined) as declined:
            run(gateway.authorize(wanted, authorize_key))
        assert declined.value.code == "voided"
        assert books.authorizations(wanted.reference) == []

    def test_captured_money_is_not_voided(self, run, gateway, books):
        wanted, authorize_key = charge(), fresh("auth")
        authorization = run(gateway.authorize(wanted, authorize_key))
        run(gateway.capture(authorization.id, fresh("capture")))
        with pytest.raises(Declined) as declined:
            run(gateway.void(authorize_key, fresh("void")))
        assert declined.value.code == "already_captured"
        assert books.statuses(wanted.reference) == ["captured"]

    # Refund

    def test_refunds_add_up_to_the_capture_and_no_further(self, run, gateway, books):
        authorization_id, reference = self.authorized(run, gateway)
        run(gateway.capture(authorization_id, fresh("capture")))
        first = run(gateway.refund(authorization_id, Decimal("9.99"), "EUR", fresh("refund")))
        second = run(gateway.refund(authorization_id, Decimal("10.00"), "EUR", fresh("refund")))
        assert first != second
        with pytest.raises(Declined) as declined:
            run(gateway.refund(authorization_id, Decimal("0.01"), "EUR", fresh("refund")))
        assert declined.value.code == "refund_exceeds_captured"
        assert [row.refunded for row in books.authorizations(reference)] == ["19.99"]

    def test_the_same_refund_twice_pays_once(self, run, gateway, books):
        authorization_id, reference = self.authorized(run, gateway)
        run(gateway.capture(authorization_id, fresh("capture")))
        key = fresh("refund")
        refunds = {run(gateway.refund(authorization_id, Decimal("5"), "EUR", key)) for _ in range(3)}
        assert len(refunds) == 1
        assert [row.refunded for row in books.authorizations(reference)] == ["5"]

    def test_a_refund_refused_too_early_may_be_asked_again_with_its_key(self, run, gateway):
        authorization_id, _ = self.authorized(run, gateway)
        key = fresh("refund")
        with pytest.raises(Declined) as declined:
            run(gateway.refund(authorization_id, Decimal("19.99"), "EUR", key))
        assert declined.value.code == "not_captured"
        run(gateway.capture(authorization_id, fresh("capture")))
        assert run(gateway.refund(authorization_id, Decimal("19.99"), "EUR", key))

    def test_a_refund_in_another_currency_is_a_bug(self, run, gateway):
        authorization_id, _ = self.authorized(run, gateway)
        run(gateway.capture(authorization_id, fresh("capture")))
        with pytest.raises(GatewayError, match="currency_mismatch"):
            run(gateway.refund(authorization_id, Decimal("1.00"), "USD", fresh("refund")))

    # Bugs of the caller

    @pytest.mark.parametrize("amount", ["0", "-1", "1E+20", "0.00001", "NaN"])
    def test_an_impossible_amount_is_a_bug(self, run, gateway, amount):
        with pytest.raises(GatewayError):
            run(gateway.authorize(charge(amount=amount), fresh("auth")))

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_an_impossible_key_is_a_bug(self, run, gateway, key):
        with pytest.raises(GatewayError):
            run(gateway.authorize(charge(), key))

    @pytest.mark.parametrize("authorization_id", ["auth_unknown", "..", "a/b?c#d", "ä"])
    def test_an_unknown_authorization_is_a_bug(self, run, gateway, authorization_id):
        with pytest.raises(GatewayError):
            run(gateway.capture(authorization_id, fresh("capture")))
        with pytest.raises(GatewayError):
            run(gateway.refund(authorization_id, Decimal("1.00"), "EUR", fresh("refund")))

    # Failures of the processor

    def test_nothing_works_and_nothing_happens_during_an_outage(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")
        books.outage(True)
        for call in (gateway.authorize(wanted, key), gateway.void(key, fresh("void"))):
            with pytest.raises(GatewayUnavailable):
                run(call)
        books.outage(False)
        assert books.authorizations(wanted.reference) == []
        assert run(gateway.authorize(wanted, key)).id

    def test_an_answer_lost_after_the_act_is_found_by_its_key(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")
        books.act_then_hang(1)
        with pytest.raises(GatewayUnavailable):
            run(gateway.authorize(wanted, key))
        (held,) = books.authorizations(wanted.reference)
        assert run(gateway.authorize(wanted, key)).id == held.id
        assert books.statuses(wanted.reference) == ["authorized"]

    def test_an_answer_lost_after_the_act_is_undone_by_its_key(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")
        books.act_then_hang(True)
        with pytest.raises(GatewayUnavailable):
            run(gateway.authorize(wanted, key))
        books.act_then_hang(False)
        run(gateway.void(key, fresh("void")))
        assert books.statuses(wanted.reference) == ["voided"]

    def test_an_authorize_overtaken_by_its_void_is_refused_when_it_arrives(self, run, gateway, books):
        wanted, key = charge(), fresh("auth")
        late = int(TIMEOUT * 1000) + 150

        async def overtaken() -> None:
            books.latency(late)
            with pytest.raises(GatewayUnavailable):
                await gateway.authorize(wanted, key)
            books.latency(0)
            await gateway.void(key, fresh("void"))
            await asyncio.sleep(0.3)

        run(overtaken())
        assert books.operation(key).status == 410
        assert books.authorizations(wanted.reference) == []


class InProcessBooks(Books):
    def __init__(self, gateway: InProcessGateway) -> None:
        self._gateway = gateway

    def authorizations(self, reference: str) -> list[AuthorizationRow]:
        return self._gateway.ledger.authorizations(reference)

    def operations(self) -> list[OperationRow]:
        return self._gateway.ledger.operations()

    def outage(self, on: bool) -> None:
        self._gateway.faults.outage = on

    def latency(self, ms: int) -> None:
        self._gateway.faults.latency_ms = ms

    def act_then_hang(self, on: bool | int) -> None:
        self._gateway.faults.act_then_hang = on


class TestInProcessGateway(GatewayContract):
    @pytest.fixture
    def gateway(self, run: Run[None]) -> Iterator[InProcessGateway]:
        gateway = InProcessGateway(timeout=TIMEOUT)
        yield gateway
        run(gateway.aclose())

    @pytest.fixture
    def books(self, gateway: InProcessGateway) -> Books:
        return InProcessBooks(gateway)


@pytest.mark.parametrize("token", sorted(RULES))
def test_every_token_is_named_as_a_card_token(token):
    assert token.startswith("tok_")
    assert rule_for(token) is RULES[token]


class TestReadAnswer:
    def test_a_yes_yields_the_id(self):
        assert read_answer(201, b'{"id": "auth_1", "more": []}') == "auth_1"

    def test_a_yes_without_an_id_yields_nothing(self):
        assert read_answer(200, b'{"id": null}') == ""

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": 7}', b'{"id": "\xff"}', b"[" * 9000])
    def test_a_yes_that_cannot_be_read_is_unknown(self, body):
        with pytest.raises(GatewayUnavailable):
            read_answer(200, body)

    @pytest.mark.parametrize("status", [402, 409, 410])
    def test_a_no_carries_its_code(self, status):
        with pytest.raises(Declined) as declined:
            read_answer(status, b'{"error": {"code": "voided", "message": "Too late."}}')
        assert (declined.value.code, str(declined.value)) == ("voided", "Too late. (voided)")

    def test_a_no_without_words_is_still_a_no(self):
        with pytest.raises(Declined) as declined:
            read_answer(402, b"no")
        assert declined.value.code == "http_402"

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
    def test_a_maybe_may_be_retried(self, status):
        with pytest.raises(GatewayUnavailable, match=str(status)):
            read_answer(status, b"")

    @pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 404, 405, 413, 422])
    def test_the_rest_is_a_bug(self, status):
        with pytest.raises(GatewayError, match=str(status)):
            read_answer(status, b"")
