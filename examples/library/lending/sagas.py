"""What happens between a requested loan and a confirmed one."""

from members.steps import repay_deposit, take_deposit

from lending.events import LoanRequested
from lending.steps import confirm_loan, hold_copy, refuse_loan, release_copy
from sagas import Pivot, Step, Together
from sagas.saga import Saga


class LendBook(Saga, on=LoanRequested):
    """Holds a copy and takes the deposit, both at the same time. If one is refused, the other is undone."""

    deadline = 5.0

    stages = (
        Step(undo=refuse_loan),
        Together(
            Step(hold_copy, undo=release_copy),
            Step(take_deposit, undo=repay_deposit),
        ),
        Pivot(confirm_loan),
    )
