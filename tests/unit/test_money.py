"""Money has exactly the decimals of its currency, on the way in and on the wire."""

from decimal import Decimal

import msgspec
import pytest

from events import Money
from events.declare.currencies import DECIMALS
from events.declare.money import BadMoney, SentMoney


def wire(amount: str, currency: str) -> str:
    return str(msgspec.to_builtins(Money(Decimal(amount), currency))["amount"])


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("1200", "JPY", "1200"),
        ("1200.00", "JPY", "1200"),
        ("1.2E+3", "JPY", "1200"),
        ("1.25", "KWD", "1.250"),
        ("19.99", "EUR", "19.99"),
        ("19.9900", "EUR", "19.99"),
        ("20", "EUR", "20.00"),
        ("0", "EUR", "0.00"),
        ("0E-4", "KWD", "0.000"),
        ("0.5", "CLF", "0.5000"),
        ("49999999999999999950000", "EUR", "49999999999999999950000.00"),
        ("123456789012345678901234567890123.5", "KWD", "123456789012345678901234567890123.500"),
    ],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(amount: str, currency: str, written: str):
    assert wire(amount, currency) == written
    assert str(Money(Decimal(amount), currency)) == f"{written} {currency}"


@pytest.mark.parametrize("written", ["9.9999", "NaN", "Infinity"])
@pytest.mark.parametrize("currency", ["EUR", "ZZZ"])
def test_an_old_event_keeps_what_nobody_may_send_today(written: str, currency: str):
    old = f'{{"amount":"{written}","currency":"{currency}"}}'.encode()
    assert msgspec.json.encode(msgspec.json.decode(old, type=Money)) == old


def test_an_old_event_in_yen_reads_as_new_ones_do():
    assert msgspec.json.decode(b'{"amount":"1200.00","currency":"JPY"}', type=Money) == Money(Decimal(1200), "JPY")


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [
        ("1", "eur", "currency"),
        ("1", "EUX", "currency"),
        ("1", "XAU", "currency"),
        ("1", "XXX", "currency"),
        ("1", "", "currency"),
        ("1.005", "EUR", "amount"),
        ("1.000", "EUR", "amount"),
        ("1200.5", "JPY", "amount"),
        ("1.2505", "KWD", "amount"),
    ],
)
def test_money_that_does_not_exist_is_refused(amount: str, currency: str, field: str):
    with pytest.raises(BadMoney) as refused:
        Money.of(Decimal(amount), currency)
    assert refused.value.field == field


def test_each_currency_takes_its_smallest_amount_and_no_smaller():
    for code, decimals in DECIMALS.items():
        smallest = Decimal(1).scaleb(-decimals)
        assert Money.of(smallest, code).amount == smallest
        with pytest.raises(BadMoney):
            Money.of(smallest / 10, code)


@pytest.mark.parametrize("amount", ["-1", "1e3", "NaN", ".5", "1.", "1,5", "1\n", "", "12345678901"])
def test_only_plain_decimals_may_be_sent(amount: str):
    with pytest.raises(msgspec.ValidationError, match="amount"):
        msgspec.convert({"amount": amount, "currency": "EUR"}, SentMoney)
