"""A mail that is put together here is the one that Django would have put together."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from django.core.mail import BadHeaderError, EmailMultiAlternatives
from hypothesis import given
from hypothesis import strategies as st

from notifications.mail import Mail

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
lines = st.one_of(words, st.integers(990, 1005).map("x".__mul__), st.integers(495, 505).map("ö".__mul__))
texts = st.lists(lines, max_size=4).map("\n".join)
subjects = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=90)
addresses = st.sampled_from(
    ["ada@example.com", "Ada Byron <ada@example.com>", "Adá <ada@example.com>", "ada@bücher.example"]
)


def written(mail: Mail, *, by: type[EmailMultiAlternatives]) -> bytes:
    message = by.message(mail)
    del message["Date"]
    message.as_bytes()  # which gives it a boundary
    return message.as_bytes().replace(str(message.get_boundary()).encode(), b"boundary")


@given(subject=subjects, text=texts, html=texts, to=addresses)
def test_byte_for_byte_as_django_writes_it(subject: str, text: str, html: str, to: str):
    mail = Mail(subject, text, html, to=to, message_id="<1@notifications>")
    assert written(mail, by=Mail) == written(mail, by=EmailMultiAlternatives)


def test_both_parts_arrive_as_they_were_written():
    mail = Mail(
        "Grüße", "Schöne Grüße\n", "<p>Schöne Grüße</p>\n", to="ada@example.com", message_id="<1@notifications>"
    )
    arrived = message_from_bytes(mail.message().as_bytes(), policy=default)
    assert [part.get_content() for part in arrived.iter_parts()] == ["Schöne Grüße\n", "<p>Schöne Grüße</p>\n"]
    assert arrived["Subject"] == "Grüße"
    assert arrived["Date"].datetime is not None


@pytest.mark.parametrize("broken", ["a\nBcc: eve@example.com", "a\r\nb"])
def test_a_line_break_in_a_header_is_refused(broken: str):
    with pytest.raises(BadHeaderError):
        Mail(broken, "text", "html", to="ada@example.com", message_id="<1@notifications>").message()
    with pytest.raises(BadHeaderError):
        Mail("subject", "text", "html", to=broken, message_id="<1@notifications>").message()
