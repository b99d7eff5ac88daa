"""What callers ask of this service."""

from uuid import UUID

from lending.models import Book, Loan


def request_loan(member_id: UUID, isbn: str) -> Loan:
    """Records the request. The saga LendBook does the rest; raises Book.DoesNotExist for an unknown book."""
    book = Book.objects.get(isbn=isbn)
    loan = Loan.request(member_id=member_id, isbn=isbn, deposit=book.deposit)
    loan.save()
    return loan
