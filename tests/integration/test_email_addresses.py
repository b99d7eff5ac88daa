"""Every address that is accepted can be sent to, as a real SMTP server sees it; the others are refused at each door."""

from collections.abc import Iterator
from email import message_from_bytes
from email.utils import parseaddr

import pytest
from aiosmtpd.controller import Controller
from django.core.exceptions import ValidationError
from django.core.mail import get_connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.provisional import domains

from notifications.mail import Mail
from notifications.models import Notification
from orderproject.models import User
from orderproject.stack.ports import free_port
from orders.models import Order
from tests.integration.api import assert_problem, client_of, place, product, user
from tests.integration.test_notifications import UNSENDABLE, Inbox
from web.email_address import validate_email_address

quoted = st.text(st.characters(max_codepoint=0x7F, exclude_characters="\0"), max_size=30).map('"{}"'.format)
atoms = st.from_regex(r"[-!#-'*+/-9=?A-Z^-~]{1,70}(\.[-!#-'*+/-9=?A-Z^-~]{1,9}){0,2}", fullmatch=True)
encoded_words = st.from_regex(r"=\?(utf-8|us-ascii)\?[qb]\?[a-zA-Z0-9=_]{1,12}\?=", fullmatch=True)
labels = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=70)
international = st.builds("{}.{}".format, labels, st.sampled_from(["example", "рф", "中国", "straße"]))
literals = st.ip_addresses().map("[{}]".format)
addresses = st.builds(
    "{}@{}".format, atoms | quoted | encoded_words, domains() | international | literals | st.just("localhost")
)


class Server:
    """One SMTP server, and one connection to it for all examples."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.controller = Controller(self.inbox, hostname="127.0.0.1", port=free_port())
        self.controller.start()
        backend = "django.core.mail.backends.smtp.EmailBackend"
        self.connection = get_connection(backend, host=self.controller.hostname, port=self.controller.port)

    def stop(self) -> None:
        self.connection.close()
        self.controller.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@given(address=addresses)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(address="o'hara+tea/spoons=1@example.com")
@example(address="ada@bücher.example")
@example(address='"a,b"@bücher.example')
@example(address="a=?utf-8?q?eve?=@example.com")
def test_what_is_accepted_arrives_at_exactly_that_address(server: Server, address: str):
    try:
        validate_email_address(address)
    except ValidationError:
        return
    local, _, domain = address.rpartition("@")
    expected = f"{local}@{domain.encode('idna').decode()}"
    server.inbox.mails.clear()
    server.connection.open()
    server.connection.send_messages([Mail("Grüße", "text", "<p>html</p>", to=address, message_id="<1@notifications>")])
    (arrived,) = server.inbox.mails
    assert arrived.rcpt_tos == [expected]
    assert parseaddr(message_from_bytes(arrived.original_content or b"")["To"]) == ("", expected)


@pytest.mark.parametrize("address", UNSENDABLE)
def test_an_address_that_no_message_can_carry_is_refused(address: str):
    with pytest.raises(ValidationError) as refusal:
        validate_email_address(address)
    assert refusal.value.message != "Enter a valid email address."  # Django accepts it, so the reason is ours


@pytest.mark.django_db
@pytest.mark.parametrize("address", UNSENDABLE)
def test_no_order_is_placed_with_it(address: str):
    product("MUG-RED")
    assert_problem(place(client_of(user()), email=address), 400, pointer="#/email")
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_no_user_gets_it_in_the_admin(client: Client):
    client.force_login(User.objects.create_superuser("boss"))
    page = reverse("admin:orderproject_user_change", args=[user("ada").pk])
    answer = client.post(page, {"username": "ada", "email": UNSENDABLE[0]})
    assert "email" in answer.context["adminform"].form.errors
    assert User.objects.get(username="ada").email == "u@example.com"


@pytest.mark.parametrize(("model", "field"), [(Order, "email"), (Notification, "recipient"), (User, "email")])
def test_the_models_have_the_same_rule(model: type[Model], field: str):
    with pytest.raises(ValidationError) as refusal:
        model(**{field: UNSENDABLE[0]}).clean_fields()
    assert "control characters" in str(refusal.value.message_dict[field])
