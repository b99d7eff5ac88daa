"""What this service does when others report something."""

from lending.events import LoanConfirmed

from events.delivery.subscribe import subscribe
from members.events import MEMBERS
from members.models import Letter


@subscribe(LoanConfirmed, queue=MEMBERS, replay=True)
def write_letter(event: LoanConfirmed) -> None:
    """Tells the member that the book is ready. A replay writes no second letter."""
    text = f"Your book {event.isbn} is ready: please fetch it."
    Letter.objects.get_or_create(loan_id=event.loan_id, defaults={"member_id": event.member_id, "text": text})
