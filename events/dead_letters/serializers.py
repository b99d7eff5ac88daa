"""Request and response bodies of the dead-letter API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from desk.one_line import OneLine
from events import models
from events.dead_letters import repair
from events.dead_letters.queries import delivery_id, letter_id
from web.unprocessable import Unprocessable

LetterId = Annotated[UUID, Meta(description="Opaque, and valid for as long as the delivery is kept")]
Reason = Annotated[
    OneLine, Meta(min_length=1, max_length=500, description="For the audit", examples=["sent by a test"])
]
State = Annotated[str, Meta(extra_json_schema={"enum": models.DeliveryState.values})]
BATCH = Meta(min_length=1, max_length=repair.BATCH)


# --- out -----------------------------------------------------------------------------------------------------


class AttemptBody(msgspec.Struct, frozen=True, rename="camel"):
    """One failed attempt. `number` restarts at 1 after an operator's retry."""

    number: int
    at: datetime
    error_type: str
    error: str
    traceback: str
    worker: str
    duration_ms: int

    @classmethod
    def of(cls, attempt: models.Attempt) -> AttemptBody:
        return cls(**{name: getattr(attempt, name) for name in cls.__struct_fields__})


class DeadLetter(msgspec.Struct, frozen=True, rename="camel"):
    """A delivery with the error of its last attempt. `age`: seconds since it became dead."""

    id: LetterId
    subscriber: str
    state: State
    error_type: str
    error: str
    attempts: int
    died_at: datetime
    age: int
    event_id: UUID
    event_type: str
    stream: str
    correlation_id: str
    causation_id: str
    traceparent: str

    @classmethod
    def of(cls, delivery: Any) -> DeadLetter:
        """`delivery` must have the annotations of `with_last_error()`."""
        return cls(**_fields(delivery))


class DeadLetterDetails(DeadLetter, frozen=True, rename="camel"):
    """A delivery with all details. `data`: the event's own; `editedData`: what the subscriber gets instead, if set."""

    event_version: str
    data: dict[str, Any]
    edited_data: dict[str, Any] | None
    tries: list[AttemptBody]

    @classmethod
    def of(cls, delivery: Any) -> DeadLetterDetails:
        return cls(
            **_fields(delivery),
            event_version=delivery.event.version,
            data=delivery.event.data,
            edited_data=delivery.edited_data,
            tries=[AttemptBody.of(attempt) for attempt in delivery.failures.order_by("id")],
        )


def _fields(delivery: Any) -> dict[str, Any]:
    event = delivery.event
    return {
        "id": letter_id(delivery.id),
        "subscriber": delivery.subscriber,
        "state": delivery.state,
        "error_type": delivery.error_type,
        "error": delivery.error,
        "attempts": delivery.attempts,
        "died_at": delivery.died_at,
        "age": max(0, int((datetime.now(UTC) - delivery.died_at).total_seconds())),
        "event_id": event.event_id,
        "event_type": event.type,
        "stream": event.stream,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "traceparent": event.traceparent,
    }


class DeadLetterGroup(msgspec.Struct, frozen=True, rename="camel"):
    """The dead letters of one subscriber whose last attempt ended with one type of error."""

    subscriber: str
    error_type: str
    count: int
    oldest: datetime
    newest: datetime

    @classmethod
    def of(cls, grouped: repair.Grouped) -> DeadLetterGroup:
        group = grouped.group
        return cls(group.subscriber, group.error_type, grouped.count, grouped.oldest, grouped.newest)


class RepairResult(msgspec.Struct, frozen=True, rename="camel"):
    """`done`: deliveries changed, or that `dryRun` would change. While `left` is above 0, send the request again."""

    done: int
    left: int
    dry_run: bool


class Edited(msgspec.Struct, frozen=True, rename="camel"):
    """The change in the data that the subscriber receives, as a unified diff of indented JSON."""

    diff: str
    dry_run: bool


# --- in ------------------------------------------------------------------------------------------------------


class GroupName(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A group as `groups/` returns it."""

    subscriber: str
    error_type: str


class Choice(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Either `ids` or `group`. Deliveries that are not dead stay unchanged."""

    ids: Annotated[list[UUID], BATCH] | None = None
    group: GroupName | None = None
    dry_run: bool = False

    @property
    def chosen(self) -> repair.Choice:
        """Raises Unprocessable unless exactly one of `ids` and `group` is given, and for an id of no dead letter."""
        if (self.ids is None) == (self.group is None):
            raise Unprocessable({"ids": ["Give either `ids` or `group`, not both."]})
        if self.group is not None:
            return repair.Group(self.group.subscriber, self.group.error_type)
        known = [delivery_id(letter) for letter in self.ids or ()]
        wrong = {str(place): ["There is no such dead letter."] for place, one in enumerate(known) if one is None}
        if wrong:
            raise Unprocessable({"ids": wrong})
        return [one for one in known if one is not None]


class Retry(Choice, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The dead letters to deliver again."""


class Discard(Choice, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The dead letters to discard, and why. A dry run needs no reason."""

    reason: Reason | None = None


class Edit(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The complete data, as the event's schema defines them, that the subscriber gets in place of the event's own."""

    data: dict[str, Any]
    reason: Reason
    dry_run: bool = False
