"""What the saga does to members. Each step takes a batch, and may run twice for the same loan."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from lending.events import LoanRequested

from events import Money, Refused
from events.log.aggregate import save_all
from events.log.fold import histories
from members.events import MEMBERS
from members.models import CURRENCY, Deposit, Member
from sagas import Call, Refusals
from sagas.decorators import action


def _requests(calls: Sequence[Call]) -> Mapping[UUID, LoanRequested]:
    """What each loan asks for. Its stream in the log begins with the request."""
    streams = {call.subject: f"loan:{call.subject}" for call in calls}
    found = histories(list(streams.values()))
    requests = {loan_id: found[stream].events[0] for loan_id, stream in streams.items()}
    return {loan_id: event for loan_id, event in requests.items() if isinstance(event, LoanRequested)}


@action(queue=MEMBERS)
def take_deposit(calls: Sequence[Call]) -> Refusals:
    """Takes the deposit for each loan. Refuses with `balance_too_small`."""
    requests = _requests(calls)
    paid = set(Deposit.objects.filter(loan_id__in=requests).values_list("loan_id", flat=True))
    members = {one.id: one for one in Member.locked([event.member_id for event in requests.values()], "balance")}
    taken, refused = [], {}
    for loan_id, event in requests.items():
        if loan_id in paid:
            continue
        member = members.get(event.member_id)
        if member is None:
            refused[loan_id] = Refused("no_such_member", f"There is no member {event.member_id}.")
            continue
        try:
            member.take_deposit(loan_id, event.deposit)
        except Refused as refusal:
            refused[loan_id] = refusal
        else:
            taken.append(Deposit(loan_id=loan_id, member_id=event.member_id, amount=event.deposit.amount))
    save_all([one for one in members.values() if one.recorded], ["balance"])
    Deposit.objects.bulk_create(taken)
    return refused


@action(queue=MEMBERS)
def repay_deposit(calls: Sequence[Call]) -> None:
    """Repays what was taken for these loans; does nothing for a loan whose deposit was refused."""
    due = Deposit.objects.select_for_update().filter(loan_id__in=[call.subject for call in calls], repaid=False)
    deposits = list(due.order_by("loan_id"))
    members = {one.id: one for one in Member.locked([one.member_id for one in deposits], "balance")}
    for deposit in deposits:
        members[deposit.member_id].repay_deposit(deposit.loan_id, Money(deposit.amount, CURRENCY))
    save_all(list(members.values()), ["balance"])
    Deposit.objects.filter(loan_id__in=[one.loan_id for one in deposits]).update(repaid=True)
