"""What happens to loans, and the queue of this service."""

from uuid import UUID

from events import Event, Money, declare_queue

LENDING = declare_queue("lending")


class LoanRequested(Event, type="loan.requested", version="1.0", stream="loan_id"):
    """A member wants to borrow a book."""

    loan_id: UUID
    member_id: UUID
    isbn: str
    deposit: Money


class LoanConfirmed(Event, type="loan.confirmed", version="1.0", stream="loan_id"):
    """The member may fetch the book."""

    loan_id: UUID
    member_id: UUID
    isbn: str


class LoanRefused(Event, type="loan.refused", version="1.0", stream="loan_id"):
    """Nothing was lent, and nothing was charged."""

    loan_id: UUID
    reason: str
