"""What the saga does to books and loans. Each step takes a batch, and may run twice for the same loan."""

from collections.abc import Sequence

from django.db.models import F

from events import Refused
from events.log.aggregate import save_all
from lending.events import LENDING
from lending.models import Book, Loan
from sagas import Call, Refusals
from sagas.decorators import action


def _requested(calls: Sequence[Call]) -> list[Loan]:
    """The loans of these calls that are not decided yet, locked."""
    loans = Loan.locked([call.subject for call in calls], "member_id", "isbn", "holds_copy", "status", "reason")
    return [loan for loan in loans if loan.status == Loan.Status.REQUESTED]


@action(queue=LENDING)
def hold_copy(calls: Sequence[Call]) -> Refusals:
    """Takes a copy from the shelf for each loan. Refuses with `no_copy_left`."""
    refused = {}
    for loan in _requested(calls):
        if loan.holds_copy:
            continue
        if Book.objects.filter(isbn=loan.isbn, copies__gt=0).update(copies=F("copies") - 1):
            Loan.objects.unrecorded().filter(id=loan.id).update(holds_copy=True)
        else:
            refused[loan.id] = Refused("no_copy_left", f"All copies of {loan.isbn} are lent.")
    return refused


@action(queue=LENDING)
def release_copy(calls: Sequence[Call]) -> None:
    """Puts the copies back that these loans hold."""
    for loan in _requested(calls):
        if loan.holds_copy:
            Book.objects.filter(isbn=loan.isbn).update(copies=F("copies") + 1)
            Loan.objects.unrecorded().filter(id=loan.id).update(holds_copy=False)


@action(queue=LENDING)
def confirm_loan(calls: Sequence[Call]) -> None:
    loans = _requested(calls)
    for loan in loans:
        loan.confirm()
    save_all(loans, ["status"])


@action(queue=LENDING)
def refuse_loan(calls: Sequence[Call]) -> None:
    """The end of every compensation: the loan says why."""
    reasons = {call.subject: call.reason_code for call in calls}
    loans = _requested(calls)
    for loan in loans:
        loan.refuse(reasons[loan.id])
    save_all(loans, ["status", "reason"])
