"""What was recorded under an older major version is read as the newest one, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from events import DeclarationError, Event, UnknownEvent, upcast
from events.checks import old_events_are_readable
from events.declare import subscribers, upcasts
from events.declare.codec import decode
from events.declare.event import DECLARED
from events.delivery.subscribe import subscribe
from orders.events import ORDERS


@pytest.fixture(autouse=True)
def _declared_for_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is declared inside is forgotten after it."""
    monkeypatch.setattr(upcasts, "_upcasts", dict(upcasts._upcasts))
    monkeypatch.setattr(subscribers, "_subscribers", dict(subscribers._subscribers))
    with patch.dict(DECLARED):
        yield


def parcel() -> type[Event]:
    """1.0 had grams as a text, 2.0 grams as a number, 3.0 has kilograms and a colour."""

    class ParcelWeighed(Event, type="parcel.weighed", version="3.1", stream="parcel"):
        """A parcel was put on the scales."""

        parcel: str
        kilograms: float
        colour: str = "brown"

    return ParcelWeighed


def with_upcasts() -> type[Event]:
    event = parcel()

    @upcast(event, "2.0")
    def kilograms(data: dict[str, Any]) -> dict[str, Any]:
        return {"parcel": data["parcel"], "kilograms": data["grams"] / 1000}

    @upcast(event, "1.0")
    def number(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "grams": int(data["grams"])}

    return event


@pytest.mark.parametrize(
    ("version", "data"),
    [
        ("1.0", '{"parcel": "a", "grams": "1500"}'),
        ("1.4", '{"parcel": "a", "grams": "1500", "scales": 7}'),
        ("2.0", '{"parcel": "a", "grams": 1500}'),
        ("3.0", '{"parcel": "a", "kilograms": 1.5}'),
        ("3.1", '{"parcel": "a", "kilograms": 1.5, "colour": "brown"}'),
    ],
)
def test_every_version_is_read_as_the_newest(version: str, data: str) -> None:
    event = with_upcasts()
    assert decode("parcel.weighed", version, data) == event(parcel="a", kilograms=1.5)


def test_an_older_class_that_is_still_there_is_not_in_the_way() -> None:
    class Old(Event, type="parcel.weighed", version="1.0", stream="parcel"):
        parcel: str
        grams: str

    event = with_upcasts()
    assert isinstance(decode("parcel.weighed", "1.0", '{"parcel": "a", "grams": "1"}'), event)


def test_what_an_upcaster_makes_is_checked_as_ever() -> None:
    event = parcel()
    upcast(event, "2.0")(lambda data: {"parcel": 7})
    with pytest.raises(msgspec.ValidationError):
        decode("parcel.weighed", "2.0", "{}")


def test_without_an_upcaster_an_old_version_is_unknown() -> None:
    parcel()
    with pytest.raises(UnknownEvent, match=r"parcel.weighed 2.0"):
        decode("parcel.weighed", "2.0", "{}")


def test_the_check_names_each_missing_upcaster() -> None:
    event = parcel()
    assert [problem.msg for problem in old_events_are_readable(None)] == [
        f"parcel.weighed 3.1 cannot read {major}.x: declare @upcast(ParcelWeighed, '{major}.0')" for major in (1, 2)
    ]
    upcast(event, "1.0")(lambda data: data)
    assert len(old_events_are_readable(None)) == 1
    upcast(event, "2.0")(lambda data: data)
    assert old_events_are_readable(None) == []


def test_the_check_names_who_listens_to_an_older_version() -> None:
    class Old(Event, type="parcel.weighed", version="1.0", stream="parcel"):
        parcel: str

    with_upcasts()

    @subscribe(Old, queue=ORDERS)
    def weigh(event: Old) -> None: ...

    (problem,) = old_events_are_readable(None)
    assert "tests.weigh subscribes to parcel.weighed 1.0" in problem.msg


@pytest.mark.parametrize("version", ["one", "1", "", "3.0", "3.1", "4.0"])
def test_a_version_that_is_none_or_not_older(version: str) -> None:
    event = parcel()
    with pytest.raises(DeclarationError, match=r"test_upcasts.*version="):
        upcast(event, version)(lambda data: data)


def test_two_upcasters_of_one_version() -> None:
    event = with_upcasts()
    with pytest.raises(DeclarationError, match=r"parcel.weighed 1.x is upcast by .*number already"):
        upcast(event, "1.2")(lambda data: data)


def test_an_upcaster_of_no_event() -> None:
    with pytest.raises(DeclarationError, match="is not a declared event"):
        upcast(str, "1.0")(lambda data: data)  # type: ignore[arg-type]
