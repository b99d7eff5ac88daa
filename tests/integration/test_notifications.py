"""E-mails over a real SMTP server: one per order and kind, whatever fails in between."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.mail import EmailMultiAlternatives

from events import Money
from events.errors import Conflict
from events.log import Recorded, emit
from events.models import StoredEvent
from notifications import services
from notifications.events import NotificationSent
from notifications.models import Kind, Notification
from notifications.services import notify, resend
from notifications.subscribers import mail_return, mail_shipment
from orderproject.stack.ports import free_port
from orders.events import Goods, Item, OrderReturned, OrderShipped
from orders.models import Order, OrderLine

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = "\N{MULTIPLICATION SIGN}"


class Inbox:
    """Takes every mail but those to `refused@…`."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    def texts(self) -> list[str]:
        return [(mail.original_content or b"").decode() for mail in self.mails]

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address.startswith("refused@"):
            return "550 no such customer"
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


def test_a_bad_address_fails_its_own_mail_only(inbox: Inbox):
    bad, good = an_order("refused@example.com"), an_order()
    failures = notify(Kind.CONFIRMATION, [bad, good])
    assert list(failures) == [bad]
    assert "no such customer" in str(failures[bad])
    assert [mail.rcpt_tos for mail in inbox.mails] == [["ada@example.com"]]
    assert StoredEvent.objects.filter(type="notification.failed", stream=f"notification:{bad}").count() == 1


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
    monkeypatch.setattr(services, "WRITTEN_DOWN_EVERY", 0.0)
    orders = [an_order() for _ in range(4)]
    message, made = services._message, []

    def dies_at_the_third(letter: services.Letter) -> EmailMultiAlternatives:
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
