"""What happens to the money of members, and the queue of this service."""

from uuid import UUID

from events import Event, Money, declare_queue

MEMBERS = declare_queue("members")


class MemberJoined(Event, type="member.joined", version="1.0", stream="member_id"):
    """Somebody became a member, and paid in some money."""

    member_id: UUID
    paid_in: Money


class DepositTaken(Event, type="member.deposit_taken", version="1.0", stream="member_id"):
    """The deposit for a loan left the member's balance."""

    member_id: UUID
    loan_id: UUID
    amount: Money


class DepositRepaid(Event, type="member.deposit_repaid", version="1.0", stream="member_id"):
    """The deposit for a loan came back to the member's balance."""

    member_id: UUID
    loan_id: UUID
    amount: Money
