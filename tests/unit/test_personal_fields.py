"""What people write is declared as personal in every event, so that it can be erased."""

import pytest

from events import DeclarationError, Event
from events.declare.registry import declared

WRITTEN = {"reason", "detail", "note", "comment", "message", "text", "description"}
# A field of such a name that programs fill, with a code or a type.
CODES = {
    "inventory.released": "the reason is the saga's code",
    "inventory.rejected": "the reason is a code",
    "payment.failed": "the reason is the processor's code; its detail is personal",
    "payment.refund_failed": "the reason is a code, of the processor or of the error; its detail is personal",
    "webhook.disabled": "the reason is one of DisabledReason",
}


def test_what_people_write_is_declared() -> None:
    undeclared = {
        f"{event.type}: {name}"
        for event in declared()
        for name in WRITTEN & set(event.__struct_fields__)
        if name not in event.personal and not (name == "reason" and event.type in CODES)
    }
    assert undeclared == set(), "declare it as personal, or list it in CODES with what it holds"


def test_a_personal_field_must_exist() -> None:
    with pytest.raises(DeclarationError, match=r"personal=\('why',\) must name its fields"):

        class Lent(Event, type="book.lent_badly", version="1.0", stream="book", personal=("why",)):
            """Lent."""

            book: str
