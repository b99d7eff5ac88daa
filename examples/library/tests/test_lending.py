"""What members see: a loan is confirmed with its deposit taken, or refused with nothing taken."""

from decimal import Decimal
from uuid import uuid4

from django.core.management import call_command
from lending.models import Book, Loan
from lending.services import request_loan
from members.models import Letter, Member

from events.db import valkey
from sagas.models import SagaRun
from tests.conftest import wait_until


def a_book(copies: int = 1) -> Book:
    return Book.objects.create(isbn=uuid4().hex[:13], title="Emil", deposit=Decimal("5.00"), copies=copies)


def a_member(balance: str = "20.00") -> Member:
    member = Member.join("Pippi", Decimal(balance))
    member.save()
    return member


def decided(loan: Loan) -> Loan:
    """The loan, once the saga has ended."""
    wait_until(lambda: SagaRun.objects.filter(subject=loan.id, state__in=["done", "undone"]).exists())
    return Loan.objects.get(id=loan.id)


def test_a_loan_is_confirmed() -> None:
    book, member = a_book(), a_member()
    loan = decided(request_loan(member.id, book.isbn))
    assert loan.status == "confirmed"
    assert Book.objects.get(isbn=book.isbn).copies == 0
    assert Member.objects.get(id=member.id).balance == Decimal("15.00")
    wait_until(lambda: Letter.objects.filter(loan_id=loan.id, member_id=member.id).exists())


def test_a_member_without_enough_money_gets_no_copy() -> None:
    book, member = a_book(), a_member(balance="4.99")
    loan = decided(request_loan(member.id, book.isbn))
    assert (loan.status, loan.reason) == ("refused", "balance_too_small")
    assert Book.objects.get(isbn=book.isbn).copies == 1
    assert Member.objects.get(id=member.id).balance == Decimal("4.99")


def test_a_lent_book_costs_nothing() -> None:
    book, member = a_book(copies=0), a_member()
    loan = decided(request_loan(member.id, book.isbn))
    assert (loan.status, loan.reason) == ("refused", "no_copy_left")
    assert Member.objects.get(id=member.id).balance == Decimal("20.00")
    assert not Letter.objects.filter(loan_id=loan.id).exists()


def test_the_last_copies_are_lent_once_each() -> None:
    book, members = a_book(copies=3), [a_member() for _ in range(10)]
    requested = [request_loan(member.id, book.isbn) for member in members]
    loans = [decided(loan) for loan in requested]
    assert sorted(loan.status for loan in loans) == ["confirmed"] * 3 + ["refused"] * 7
    assert Book.objects.get(isbn=book.isbn).copies == 0
    balances = [Member.objects.get(id=member.id).balance for member in members]
    assert sorted(balances) == [Decimal("15.00")] * 3 + [Decimal("20.00")] * 7


def test_lost_messages_cost_time_and_no_loan() -> None:
    book, member = a_book(copies=20), a_member(balance="100.00")
    requested = []
    for _ in range(20):
        requested.append(request_loan(member.id, book.isbn))
        valkey.client().flushdb()
    assert {decided(loan).status for loan in requested} == {"confirmed"}
    assert Member.objects.get(id=member.id).balance == Decimal("0.00")


def test_every_row_is_what_its_events_say() -> None:
    decided(request_loan(a_member().id, a_book().isbn))
    call_command("verify_log")
