"""E-mails over a real SMTP server: one per order and kind, whatever fails in between."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from events import Money
from events.errors import Conflict
from events.log.append import Recorded, emit
from events.log.context import Context, caused_by
from events.models import Delivery, StoredEvent
from events.testing import Broker, drain
from notifications import services
from notifications.events import NotificationSent
from notifications.models import Kind, Notification
from notifications.services import notify, resend
from notifications.subscribers import (
    mail_return,
    mail_return_approved,
    mail_return_rejected,
    mail_return_requested,
    mail_shipment,
)
from orderproject.stack.ports import free_port
from orders.events import (
    Goods,
    Item,
    OrderConfirmed,
    OrderReturnApproved,
    OrderReturned,
    OrderReturnRejected,
    OrderReturnRequested,
    OrderShipped,
)
from orders.models import Order, OrderLine

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = "\N{MULTIPLICATION SIGN}"
UNSENDABLE = [
    '"a\x01b"@example.com',
    '"a\\\x7fb"@example.com',
    "ada@[::1]",
    "ada@[2001:db8::1]",
    f"ada@{'ü' * 60}.example",
    f"ada@{'ü.' * 60}example",
    "=?utf-8?q?eve?=@example.com",
    '"a,b"@bücher.example',
    "ada@faß.example",
    f"{'a' * 65}@example.com",
]
"""Django's own validator accepts all of these."""


class Inbox:
    """Takes every mail but those to `refused@…`. It hangs up on those to `fatal@…`, and says goodbye to `closing@…`."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.calls = 0

    def texts(self) -> list[str]:
        return [(mail.original_content or b"").decode() for mail in self.mails]

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        self.calls += 1
        if address.startswith("refused@"):
            return "550 no such customer"
        if address.startswith(("fatal@", "closing@")):
            assert server.transport is not None
            server.transport.close()
        if address.startswith("closing@"):
            return "421 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture
def inbox(settings) -> Iterator[Inbox]:
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.hostname, server.port
    yield inbox
    server.stop()


def an_order(email: str = "ada@example.com", name: str = "Ada") -> UUID:
    item = Item(sku="MUG", quantity=2, unit_price=Money(Decimal("9.90"), "EUR"))
    order = Order.place(
        customer_id=uuid4(),
        email=email,
        payment_token="tok_visa",
        shipping_address={"name": name, "line1": "1 Loop", "city": "Berlin", "postalCode": "1", "country": "DE"},
        items=(item,),
    )
    order.save()
    return order.id


def test_a_customer_is_told_once_in_text_and_html(inbox: Inbox):
    order = an_order()
    assert notify(Kind.CONFIRMATION, [order]) == {}
    assert notify(Kind.CONFIRMATION, [order]) == {}
    (content,) = inbox.texts()
    assert Order.objects.get().number in content
    assert "text/plain" in content
    assert "text/html" in content
    event = StoredEvent.objects.get(type="notification.sent")
    assert event.stream == f"notification:{order}"
    assert Notification.objects.get().sent_at


def test_an_order_that_stands_in_a_batch_twice_is_told_of_once(inbox: Inbox):
    order = an_order()
    assert notify(Kind.CONFIRMATION, [order, order]) == {}
    assert len(inbox.mails) == 1


def test_each_kind_is_told_of_its_own(inbox: Inbox):
    order = an_order()
    notify(Kind.CONFIRMATION, [order])
    notify(Kind.CANCELLATION, [order])
    assert len(inbox.mails) == 2


def test_each_parcel_is_told_of_once_with_what_is_in_it(inbox: Inbox):
    order_id = an_order()
    OrderLine.objects.create(order_id=order_id, position=0, sku="MUG", name="Mug, <red>", quantity=2, unit_price=1)
    parcels = [
        OrderShipped(
            order_id=order_id, shipment_id=uuid4(), items=(Goods(sku="MUG", quantity=1),), carrier="DHL",
            tracking_number=f"JD{number}", complete=complete,
        )
        for number, complete in enumerate((False, True))
    ]  # fmt: skip
    assert mail_shipment(parcels) == {}
    assert mail_shipment(parcels[::-1]) == {}
    partly, whole = inbox.texts()
    number = Order.objects.get().number
    assert f"Your order {number} was partly shipped" in partly
    assert f"Your order {number} was shipped" in whole
    told = Notification.objects.order_by("id")
    assert [one.about for one in told] == [parcel.shipment_id for parcel in parcels]
    assert [f"DHL: JD{number}" in one.text for number, one in enumerate(told)] == [True, True]
    assert f"1 {TIMES} Mug, <red>\n" in told[0].text
    assert f"<li>1 {TIMES} Mug, &lt;red&gt;</li>" in told[0].html


def test_a_return_is_told_of_with_its_refund(inbox: Inbox):
    bad, good = an_order("refused@example.com"), an_order()
    returns = [
        OrderReturned(
            order_id=order_id, return_id=uuid4(), items=(Goods(sku="MUG", quantity=2),), reason="too red",
            refund=Money(Decimal("19.80"), "EUR"), complete=True,
        )
        for order_id in (bad, good)
    ]  # fmt: skip
    assert list(mail_return(returns)) == [0]
    (content,) = inbox.texts()
    assert f"Your order {Order.objects.get(id=good).number} was returned" in content
    letter = Notification.objects.get(order_id=good)
    assert (letter.kind, letter.about) == (Kind.RETURN, returns[1].return_id)
    assert "Refund  19.80 EUR" in letter.text
    assert "<strong>19.80 EUR</strong>" in letter.html


def test_each_step_of_a_return_is_told_of_once(inbox: Inbox):
    order_id, return_id = an_order(), uuid4()
    OrderLine.objects.create(order_id=order_id, position=0, sku="MUG", name="Mug, <red>", quantity=2, unit_price=1)
    goods = (Goods(sku="MUG", quantity=2),)
    asked = OrderReturnRequested(order_id=order_id, return_id=return_id, items=goods, reason="too red")
    approved = OrderReturnApproved(order_id=order_id, return_id=return_id)
    rejected = OrderReturnRejected(order_id=order_id, return_id=uuid4(), reason="worn <out>")
    for _ in range(2):
        assert mail_return_requested([asked]) == {}
        assert mail_return_approved([approved]) == {}
        assert mail_return_rejected([rejected]) == {}
    request, approval, rejection = Notification.objects.order_by("id")
    assert len(inbox.mails) == 3
    number = Order.objects.get().number
    assert [one.subject for one in (request, approval, rejection)] == [
        f"Your order {number}: return {step}" for step in ("requested", "approved", "rejected")
    ]
    assert [one.about for one in (request, approval, rejection)] == [return_id, return_id, rejected.return_id]
    assert f"2 {TIMES} Mug, <red>\n" in request.text
    assert "Please send them to us" in approval.text
    assert "worn <out>" in rejection.text
    assert "worn &lt;out&gt;" in rejection.html


def test_a_bad_address_fails_its_own_mail_only(inbox: Inbox):
    bad, good = an_order("refused@example.com"), an_order()
    failures = notify(Kind.CONFIRMATION, [bad, good])
    assert list(failures) == [bad]
    assert "no such customer" in str(failures[bad])
    assert [mail.rcpt_tos for mail in inbox.mails] == [["ada@example.com"]]
    assert not StoredEvent.objects.filter(type="notification.failed").exists()  # it will be tried again


def test_a_mail_that_fails_again_and_again_is_told_of_once_with_its_count(inbox: Inbox, broker: Broker):
    bad, good = an_order("refused@example.com"), an_order()
    Delivery.objects.update(state="done")
    with transaction.atomic(), caused_by(Context("request-1", actor="boss")):
        (recorded, _) = emit(OrderConfirmed(order_id=one, total=Money(Decimal("9.90"), "EUR")) for one in (bad, good))
    drain(through_retries=True)
    assert Delivery.objects.get(state="dead").attempts == 8
    told = StoredEvent.objects.get(type="notification.failed")
    assert (told.stream, told.version) == (f"notification:{bad}", "1.1")
    letter = Notification.objects.get(order_id=bad)
    assert told.data == {
        "orderId": str(bad), "notificationId": str(letter.id), "kind": "confirmation",
        "error": "SMTPRecipientsRefused", "attempts": 8,
    }  # fmt: skip
    caused = StoredEvent.objects.get(position=recorded.position)
    assert (told.correlation_id, told.causation_id) == ("request-1", str(caused.event_id))


@pytest.mark.parametrize("bad", ["fatal@example.com", "closing@example.com"])
def test_a_mail_on_which_the_server_hangs_up_harms_none_of_those_around_it(inbox: Inbox, bad: str):
    before, poison, *after = an_order(), an_order(bad), *(an_order() for _ in range(13))
    assert list(notify(Kind.CONFIRMATION, [before, poison, *after])) == [poison]
    assert len(inbox.mails) == 14
    assert set(Notification.objects.exclude(sent_at=None).values_list("order_id", flat=True)) == {before, *after}


def test_addresses_that_no_message_can_carry_fail_their_own_mails_only(inbox: Inbox):
    poison = [an_order(address) for address in [*UNSENDABLE, "a\nBcc: eve@example.com", ""]]
    good = [an_order() for _ in poison]
    mixed = [order for pair in zip(poison, good, strict=True) for order in pair]
    assert list(notify(Kind.CONFIRMATION, mixed)) == poison
    assert [mail.rcpt_tos for mail in inbox.mails] == [["ada@example.com"]] * len(good)
    assert set(Notification.objects.filter(error="").values_list("order_id", flat=True)) == set(good)


def test_a_server_that_hangs_up_on_two_in_a_row_is_not_asked_for_each_of_the_others(inbox: Inbox):
    orders = [an_order("fatal@example.com") for _ in range(5)] + [an_order()]
    assert list(notify(Kind.CONFIRMATION, orders)) == orders
    assert inbox.calls == 2


def test_a_server_that_is_away_fails_all_and_the_next_try_tells_all(inbox: Inbox, settings):
    orders = [an_order() for _ in range(3)]
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    assert set(notify(Kind.CONFIRMATION, orders)) == set(orders)
    settings.EMAIL_PORT = port
    assert notify(Kind.CONFIRMATION, orders) == {}
    assert len(inbox.mails) == 3
    assert Notification.objects.filter(sent_at=None).count() == 0


def test_what_failed_is_sent_again_as_it_was_written_beside_what_is_new(inbox: Inbox, settings):
    early = an_order()
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    notify(Kind.CONFIRMATION, [early])
    settings.EMAIL_PORT = port
    (row,) = Notification.objects.all()
    assert row.error
    late = an_order()
    assert notify(Kind.CONFIRMATION, [late, early]) == {}
    ids = {one.order_id: one.id for one in Notification.objects.exclude(sent_at=None).filter(error="")}
    assert ids.keys() == {early, late}
    assert ids[early] == row.id
    assert sorted(f"Message-ID: <{id_}@notifications>" in "".join(inbox.texts()) for id_ in ids.values()) == [True] * 2
    assert StoredEvent.objects.filter(type="notification.sent").count() == 2


def test_a_worker_that_dies_in_a_batch_has_written_down_what_left_before(inbox: Inbox, monkeypatch):
    monkeypatch.setattr(services, "RECORD_EVERY", 0.0)
    orders = [an_order() for _ in range(4)]
    message, made = services._message, []

    def dies_at_the_third(letter: services.OutgoingMail) -> EmailMultiAlternatives:
        made.append(letter)
        if len(made) == 3:
            raise SystemExit
        return message(letter)

    monkeypatch.setattr(services, "_message", dies_at_the_third)
    with pytest.raises(SystemExit):
        notify(Kind.CONFIRMATION, orders)
    assert Notification.objects.exclude(sent_at=None).count() == 2
    assert notify(Kind.CONFIRMATION, orders) == {}
    assert len(inbox.mails) == 4
    assert StoredEvent.objects.filter(type="notification.sent").count() == 4


def test_another_worker_that_writes_to_the_same_stream_first_makes_nobody_send_twice(inbox: Inbox, monkeypatch):
    conflicts = iter([Conflict()])

    def late_once(events: Iterable[NotificationSent]) -> list[Recorded]:
        for conflict in conflicts:
            raise conflict
        return emit(events)

    monkeypatch.setattr(services, "emit", late_once)
    assert notify(Kind.CONFIRMATION, [an_order(), an_order()]) == {}
    assert len(inbox.mails) == 2
    assert StoredEvent.objects.filter(type="notification.sent").count() == 2
    assert Notification.objects.filter(sent_at=None).count() == 0


def test_html_is_escaped_and_text_is_not(inbox: Inbox):
    notify(Kind.CONFIRMATION, [an_order(name="<b>O'Hara</b>")])
    row = Notification.objects.get()
    assert "<b>O'Hara</b>" in row.text
    assert "&lt;b&gt;" in row.html


def test_a_person_may_send_again(inbox: Inbox):
    notify(Kind.CONFIRMATION, [an_order()])
    resend(Notification.objects.get())
    first, second = inbox.texts()
    assert [line for line in first.splitlines() if line.startswith("Message-ID")] == [
        line for line in second.splitlines() if line.startswith("Message-ID")
    ]


def test_the_mailbox_keeps_one_file_per_message(settings, tmp_path: Path):
    settings.EMAIL_BACKEND = "notifications.mailbox.MailboxBackend"
    settings.MAIL_DIR = str(tmp_path)
    notify(Kind.CONFIRMATION, [an_order()])
    resend(Notification.objects.get())
    (file,) = tmp_path.glob("*.eml")
    assert "Ada" in file.read_text()
