"""The JSON types of webhooks: validated requests and responses. The OpenAPI schema is generated from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from desk.one_line import OneLine
from notifications import models
from notifications.webhooks.addresses import BadURL, checked
from notifications.webhooks.fan_out import OPEN_KINDS, event_types, names_of
from web.unprocessable import Unprocessable

Url = Annotated[
    str,
    Meta(min_length=1, max_length=2000, extra_json_schema={"format": "uri"}, examples=["https://example.com/hook"]),
]
EventType = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?)$",
        max_length=100,
        description="A complete event type, all types of a kind (`order.*`), or all types (`*`)",
        examples=["order.*"],
    ),
]
EventTypes = Annotated[list[EventType], Meta(min_length=1, max_length=50)]
Description = Annotated[OneLine, Meta(max_length=200)]
Ordered = Annotated[
    bool,
    Meta(
        description="Sends the events of one `stream` one after the other. One that fails holds back the later ones of"
        " its stream, and no others, until it is delivered or skipped"
    ),
]
DisabledReason = Annotated[str, Meta(extra_json_schema={"enum": models.DisabledReason.values})]
DeliveryStatus = Annotated[str, Meta(extra_json_schema={"enum": models.WebhookDeliveryState.values})]


# --- in ------------------------------------------------------------------------------------------------------


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A webhook to create."""

    url: Url
    event_types: EventTypes
    description: Description = ""
    ordered: Ordered = False

    def check(self, *, everything: bool) -> None:
        """Raises Unprocessable for invalid fields, and Refused if the URL leads to a private address."""
        _check_types(self.event_types, everything=everything)
        _check_url(self.url)


class WebhookChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Changes of a webhook. Omitted fields keep their values."""

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    ordered: Ordered | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    def check(self, *, everything: bool) -> None:
        """Raises Unprocessable for invalid fields, and Refused if the URL leads to a private address."""
        if self.event_types is not UNSET:
            _check_types(self.event_types, everything=everything)
        if self.url is not UNSET:
            _check_url(self.url)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that the client sent, by the names of the model fields, and `enabled`."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in given.items() if value is not UNSET}


def _check_url(url: str) -> None:
    try:
        checked(url)
    except BadURL as error:
        raise Unprocessable({"url": [str(error)]}) from error


def _check_types(wanted: list[str], *, everything: bool) -> None:
    known = [name for name, event in event_types().items() if everything or event.stream_kind in OPEN_KINDS]
    names = frozenset().union(*(names_of(name) for name in known))
    message = f"There is no such event type. Use one of {', '.join(known)}, all of a kind (`order.*`), or all (`*`)."
    if wrong := {str(place): [message] for place, name in enumerate(wanted) if name not in names}:
        raise Unprocessable({"eventTypes": wrong})


class SkippedDelivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason to give up a delivery; it goes to the audit."""

    reason: Annotated[OneLine, Meta(min_length=1, max_length=500)]


# --- out -----------------------------------------------------------------------------------------------------


class Webhook(msgspec.Struct, frozen=True, rename="camel"):
    """A webhook. `failingSince` is the time of the first failure after its last success."""

    id: UUID
    url: str
    event_types: list[str]
    description: str
    ordered: bool
    enabled: bool
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, webhook: models.Webhook) -> Webhook:
        return cls(**_fields(webhook))


class WebhookWithSecret(Webhook, frozen=True, rename="camel"):
    """A webhook with its signing secret, in the format of Standard Webhooks. The secret is shown only once."""

    secret: Annotated[str, Meta(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]

    @classmethod
    def showing(cls, webhook: models.Webhook, secret: str) -> WebhookWithSecret:
        return cls(**_fields(webhook), secret=secret)


def _fields(webhook: models.Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "event_types": webhook.event_types,
        "description": webhook.description,
        "ordered": webhook.ordered,
        "enabled": webhook.disabled_at is None,
        "disabled_reason": webhook.disabled_reason or None,
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


class WebhookTry(msgspec.Struct, frozen=True, rename="camel"):
    """One attempt. `responseStatus` is null if there was no answer; `error` is empty after a success."""

    number: int
    at: datetime
    response_status: int | None
    error: str
    duration_ms: int


class WebhookDelivery(msgspec.Struct, frozen=True, rename="camel"):
    """The delivery of one event to one webhook. `id` is the `webhook-id` that the receiver sees.

    `responseStatus` and `durationMs` are those of the last of the `tries`.
    """

    id: UUID
    event_id: UUID
    event_type: str
    stream: str
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    duration_ms: int | None
    next_attempt_at: datetime | None
    created_at: datetime
    tries: list[WebhookTry]

    @classmethod
    def of(cls, delivery: models.WebhookDelivery) -> WebhookDelivery:
        """`delivery` must come from `deliveries_of()`, which loads its event and attempts."""
        tries = [
            WebhookTry(one.number, one.at, one.response_status, one.error, one.duration_ms)
            for one in delivery.tries.all()
        ]
        last = tries[-1] if tries else None
        waits = delivery.state == models.WebhookDeliveryState.PENDING
        return cls(
            id=delivery.id,
            event_id=delivery.event.event_id,
            event_type=delivery.event.type,
            stream=delivery.event.stream,
            status=delivery.state,
            attempts=delivery.attempts,
            response_status=last.response_status if last else None,
            duration_ms=last.duration_ms if last else None,
            next_attempt_at=delivery.due_at if waits else None,
            created_at=delivery.created_at,
            tries=tries,
        )
