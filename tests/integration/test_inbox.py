"""Receiving without a broker: what a batch of messages becomes, in the log and in the tables of the inbox."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections
from django.db.models import F
from django.db.utils import OperationalError

from events.declare.foreign import Message
from events.models import Delivery, StoredEvent
from publishing.inbox import intake, repair
from publishing.inbox.arrived import Arrived
from publishing.inbox.intake import take
from publishing.models import Inbox, ReceivedEvent, UnreadableMessage
from publishing.tasks import prune_inbox
from tests.inbox import URI, arrived, attributes, binary, order_of, parcel, parcels, plain, structured

pytestmark = pytest.mark.django_db


def taken(*messages: Message) -> None:
    take([arrived(message, offset) for offset, message in enumerate(messages)])


def counts() -> tuple[int, int, int, int]:
    """Received, repeated, skipped, unreadable."""
    one = Inbox.objects.get()
    return one.received, one.repeated, one.skipped, one.unreadable


@pytest.mark.parametrize(
    "message",
    [
        binary("1", parcel("JD0")),
        binary("1", parcel("JD0"), prefix="cloudEvents_"),
        binary("1", parcel("JD0"), prefix="cloudEvents:"),
        structured("1", parcel("JD0")),
        plain("1", "JD0"),
    ],
    ids=["kafka", "amqp", "amqp-colon", "structured", "plain"],
)
def test_each_form_of_a_message_becomes_the_event_and_its_delivery(message: Message) -> None:
    taken(message)
    event = StoredEvent.objects.get()
    assert (event.type, event.version, event.stream) == ("parcel.delivered", "1.0", "parcel:JD0")
    assert (event.source, event.actor, event.correlation_id) == ("carrier", "inbox:carrier", "1")
    assert event.data == parcel("JD0")
    assert list(Delivery.objects.values_list("subscriber", flat=True)) == ["orders.parcel_delivered"]
    received = ReceivedEvent.objects.get()
    assert (received.foreign_id, received.position) == ("1", event.position)
    assert counts() == (1, 0, 0, 0)


def test_a_structured_event_may_hold_its_data_as_base64() -> None:
    body = attributes("1") | {"data_base64": base64.b64encode(json.dumps(parcel("JD0")).encode()).decode()}
    taken(Message(json.dumps(body).encode(), {}, "application/cloudevents+json"))
    assert parcels() == {("parcel:JD0", "1"): 1}


def test_what_comes_again_is_received_once_by_source_and_id() -> None:
    first = binary("1", parcel("JD0"))
    taken(first, binary("2", parcel("JD0")), first)
    taken(first, binary("1", parcel("JD0"), source="https://elsewhere.example"))
    assert parcels() == {("parcel:JD0", "1"): 2, ("parcel:JD0", "2"): 1}
    assert set(ReceivedEvent.objects.values_list("foreign_source", "foreign_id")) == {
        (URI, "1"), (URI, "2"), ("https://elsewhere.example", "1"),
    }  # fmt: skip
    assert counts() == (3, 2, 0, 0)


def test_the_trace_goes_on_if_it_is_one() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    for number, given in enumerate((trace, "nonsense")):
        message = binary(str(number), parcel("JD0"))
        taken(Message(message.body, {**message.headers, "ce_traceparent": given}, message.content_type))
    assert list(StoredEvent.objects.values_list("traceparent", flat=True)) == [trace, ""]


BAD: dict[str, tuple[Message, str, str]] = {
    "no JSON": (Message(b"\xff\x00not json"), "no-event", "malformed"),
    "wrong shape": (Message(b'{"status": 1}'), "no-event", "status"),
    "data do not match": (binary("b", {"carrier": "DHL"}), "invalid", "trackingNumber"),
    "data are no JSON": (Message(b"<a/>", binary("b", {}).headers, "application/json"), "invalid", "malformed"),
    "data are XML": (Message(b"<a/>", binary("b", {}).headers, "text/xml"), "no-event", "text/xml"),
    "no id": (binary("", parcel("JD0")), "no-event", "`id`"),
    "a long id": (binary("x" * 301, parcel("JD0")), "no-event", "300"),
    "another version": (
        Message(b"{}", {**attributes("b"), "ce_specversion": "0.3"}, "application/json"), "no-event", "0.3",
    ),
    "a batch": (Message(b"[]", {}, "application/cloudevents-batch+json"), "no-event", "CloudEvent"),
    "too large": (binary("b", parcel("JD0", rest="x" * 3_000)), "too-large", "INBOX_MAX_BYTES"),
    "a NUL for PostgreSQL": (binary("b", parcel("JD\0")), "failed", "NUL"),
    "a NUL in the id": (binary("b\0", parcel("JD0")), "failed", "NUL"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_kept_whole_beside_what_can(name: str, settings: Any) -> None:
    settings.INBOX_MAX_BYTES = 2_000
    bad, reason, error = BAD[name]
    batch = [binary("1", parcel("JD1")), bad, binary("2", parcel("JD1"))]
    taken(*batch)
    taken(*batch)
    assert order_of("parcel:JD1") == ["1", "2"]
    kept = UnreadableMessage.objects.get()
    assert (bytes(kept.body), kept.reason) == (bad.body, reason)
    assert error in kept.error
    assert (kept.source, kept.place, kept.partition, kept.offset) == ("carrier", "parcels", 0, 1)
    assert counts() == (2, 3, 0, 1)


def test_the_order_of_each_stream_is_kept_around_many_bad_ones() -> None:
    messages = [binary(str(n), parcel(f"JD{n % 3}" if n % 7 else "JD\0")) for n in range(60)]
    taken(*messages)
    for stream in range(3):
        good = [str(n) for n in range(60) if n % 3 == stream and n % 7]
        assert order_of(f"parcel:JD{stream}") == good
    assert counts() == (51, 0, 0, 9)


def test_types_that_no_code_declares_are_skipped_and_counted_or_kept(settings: Any) -> None:
    unknown = binary("1", {}, type_="parcel.scanned")
    taken(unknown, plain("2", "JD0", status="IN_TRANSIT"), Message(b""))
    assert counts() == (0, 0, 3, 0)
    assert Inbox.objects.get().last_skipped == "IN_TRANSIT"
    assert not UnreadableMessage.objects.exists()
    settings.INBOX_UNKNOWN_TYPES = "keep"
    taken(unknown)
    assert UnreadableMessage.objects.get().reason == "unknown-type"


def test_after_the_cause_is_mended_a_message_is_received_once(settings: Any) -> None:
    settings.INBOX_MAX_BYTES = 50
    message = binary("1", parcel("JD0"))
    taken(message)
    kept = UnreadableMessage.objects.get()
    assert repair.retry([kept.id], actor="ada") == repair.Retried(unreadable=1)
    settings.INBOX_MAX_BYTES = 5_000
    assert repair.retry([kept.id], actor="ada") == repair.Retried(received=1)
    assert repair.retry([kept.id], actor="ada") == repair.Retried()
    taken(message)
    assert parcels() == {("parcel:JD0", "1"): 1}
    assert not repair.waiting().exists()


def test_a_discarded_message_needs_a_reason_and_waits_no_more() -> None:
    taken(Message(b"poison"))
    kept = UnreadableMessage.objects.get()
    assert repair.discard([kept.id], actor="ada", reason="not ours") == 1
    assert repair.discard([kept.id], actor="ada", reason="twice") == 0
    assert repair.retry([kept.id], actor="ada") == repair.Retried()
    taken(Message(b"poison"))
    assert repair.waiting().count() == 1, "sent again after that, a person sees it again"


def test_identities_and_what_was_settled_are_deleted_after_their_time(settings: Any) -> None:
    taken(binary("old", parcel("JD0")), Message(b"settled"), Message(b"waits"))
    repair.discard([UnreadableMessage.objects.get(offset=1).id], actor="ada", reason="not ours")
    age = timedelta(days=31)
    ReceivedEvent.objects.update(received_at=F("received_at") - age)
    UnreadableMessage.objects.update(received_at=F("received_at") - age, discarded_at=F("discarded_at") - age)
    taken(binary("new", parcel("JD0")))
    prune_inbox()
    assert list(ReceivedEvent.objects.values_list("foreign_id", flat=True)) == ["new"]
    assert [bytes(one.body) for one in UnreadableMessage.objects.all()] == [b"waits"]


@pytest.mark.django_db(transaction=True)
def test_processes_that_receive_the_same_at_the_same_time_append_it_once() -> None:
    """In other orders, so that without care they would deadlock."""
    messages = [binary(str(number), parcel(f"JD{number % 5}")) for number in range(40)]
    batches: list[list[Message]] = [messages, messages[::-1], messages[20:] + messages[:20], messages[::2]]
    errors: list[BaseException] = []

    def receive(batch: list[Message], broker: str) -> None:
        try:
            for start in range(0, len(batch), 8):
                part = batch[start : start + 8]
                take([Arrived("carrier", broker, "parcels", message, 0, n) for n, message in enumerate(part)])
        except BaseException as error:  # noqa: BLE001  the thread reports it
            errors.append(error)
        finally:
            close_old_connections()

    threads = [threading.Thread(target=receive, args=(batch, f"kafka-{n}")) for n, batch in enumerate(batches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert parcels() == {(f"parcel:JD{number % 5}", str(number)): 1 for number in range(40)}
    assert not UnreadableMessage.objects.exists()


def test_a_fault_of_the_database_is_no_fault_of_the_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is left to the broker as a whole."""

    def full(*_: object) -> None:
        raise OperationalError("could not extend file: No space left on device")

    monkeypatch.setattr(intake, "emit", full)
    with pytest.raises(OperationalError):
        taken(binary("1", parcel("JD0")))
    assert not UnreadableMessage.objects.exists()
    assert not ReceivedEvent.objects.exists()
