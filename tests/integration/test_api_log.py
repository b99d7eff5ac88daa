"""The log over HTTP, what can be in it, and replays: for operators, quick however long the log is."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from desk.actors import name_of
from desk.models import Audit
from events.catalogue.asyncapi import asyncapi
from events.catalogue.markdown import installed
from events.declare import registry
from events.declare.codec import encode
from events.log.append import emit
from events.models import Replay, StoredEvent
from orders.events import OrderConfirmed
from tests import stories
from tests.contracts.published import golden_of
from tests.integration import echoes
from tests.integration.api import BASE, assert_problem, client_of, user
from tests.integration.echoes import Shouted

pytestmark = pytest.mark.django_db
EVENTS, TYPES, REPLAYS = f"{BASE}events/", f"{BASE}event-types/", f"{BASE}replays/"
ASYNCAPI = f"{BASE}asyncapi.json"
SPEC = json.loads((Path(__file__).with_name("asyncapi-spec") / "schema.json").read_text())
NAME = "orders.daily_sales"


@pytest.fixture
def operator() -> APIClient:
    return client_of(user("operator", "events.view_storedevent", "events.replay", "events.view_replay"))


# --- events --------------------------------------------------------------------------------------------------


def listed(client: APIClient, **query: Any) -> list[str]:
    answer = client.get(EVENTS, query)
    assert answer.status_code == 200, answer.content
    return [event["eventType"] for event in answer.json()["results"]]


def test_events_are_listed_the_newest_first_page_by_page(operator: APIClient) -> None:
    stories.confirmed()
    written = [event.envelope() for event in StoredEvent.objects.order_by("-position")]
    seen, url = [], f"{EVENTS}?limit=3"
    while url:
        page = operator.get(url).json()
        seen += page["results"]
        url = page["next"]
    assert seen == written
    assert len(seen) > 6


def test_events_are_narrowed(operator: APIClient) -> None:
    order = stories.confirmed()
    stories.placed()
    assert listed(operator, type="order.confirmed") == ["order.confirmed"]
    assert listed(operator, type="order.*") == ["order.created", "order.confirmed", "order.created"]
    assert listed(operator, type="payment.*") == ["payment.succeeded", "payment.authorized"]
    assert listed(operator, type="order.*", stream=f"order:{order.id}") == ["order.confirmed", "order.created"]
    for nothing in ({"type": "order.teleported"}, {"type": "moon.*"}, {"stream": "order:1"}):
        assert listed(operator, **nothing) == []
    now = timezone.now()
    assert len(listed(operator, since=(now - timedelta(hours=1)).isoformat())) == StoredEvent.objects.count()
    assert listed(operator, since=(now + timedelta(hours=1)).isoformat()) == []


@pytest.mark.parametrize("query", [{"typ": "x"}, {"since": "yesterday"}, {"stream": "\0"}, {"limit": "0"}])
def test_a_misspelt_filter_is_a_problem(operator: APIClient, query: dict[str, str]) -> None:
    assert_problem(operator.get(EVENTS, query), 400, "invalid", f"?{next(iter(query))}")


LONG_LOG = """
INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source, actor, correlation_id,
                                causation_id, traceparent, time)
SELECT gen_random_uuid(), 'order:' || number / 4, number % 4 + 1,
       CASE WHEN number % 1000 = 7 AND number < 50000 THEN 'order.returned'
            ELSE (ARRAY['order.created', 'order.confirmed', 'order.shipped', 'order.delivered'])[number % 4 + 1] END,
       '1.0', '{}', '', '', '', '', '', now() - make_interval(secs => 200000 - number)
FROM generate_series(0, 199999) AS number
"""


def plan_of(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")
        (plan,) = cursor.fetchone()
    return json.dumps(plan)


@pytest.fixture
def long_log() -> None:
    with connection.cursor() as cursor:
        cursor.execute(LONG_LOG)
        cursor.execute("ANALYZE events_storedevent")


def test_a_page_reads_little_of_a_long_log(operator: APIClient, long_log: None) -> None:
    """Two hundred thousand events, and a type that there is but seldom, and long ago."""
    since = (timezone.now() - timedelta(hours=20)).isoformat()
    for query, count in (
        ({}, 50), ({"type": "order.created"}, 50), ({"type": "order.*"}, 50), ({"type": "order.returned"}, 50),
        ({"stream": "order:77"}, 4), ({"since": since}, 50), ({"since": since, "ordering": "position"}, 50),
        ({"type": "order.returned", "since": since}, 0), ({"type": "order.teleported"}, 0),
    ):  # fmt: skip
        with CaptureQueriesContext(connection) as captured:
            first = operator.get(EVENTS, query).json()
        assert len(first["results"]) == count, query
        reads = [one["sql"] for one in captured if "events_storedevent" in one["sql"]]
        assert len(reads) == 1 + ("since" in query), query
        plan = plan_of(reads[-1])
        assert "Seq Scan" not in plan, (query, plan)
        assert blocks(plan) < 200, (query, blocks(plan))


def blocks(plan: str) -> int:
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def test_the_second_page_is_as_quick(operator: APIClient, long_log: None) -> None:
    for query in ({"type": "order.*"}, {"ordering": "position"}):
        following = operator.get(EVENTS, query).json()["next"]
        with CaptureQueriesContext(connection) as captured:
            assert len(operator.get(following).json()["results"]) == 50
        assert blocks(plan_of(captured[-1]["sql"])) < 200


# --- types and schemas ---------------------------------------------------------------------------------------


def test_every_type_tells_who_emits_and_who_listens(operator: APIClient) -> None:
    types = {(one["type"], one["version"]): one for one in operator.get(TYPES).json()}
    assert set(types) == {(event.type, event.version) for event in installed()}
    confirmed = types["order.confirmed", "1.0"]
    assert (confirmed["emittedBy"], confirmed["stream"]) == ("orders", "order")
    assert confirmed["description"].startswith("Stock is committed")
    (sales,) = [one for one in confirmed["listeners"] if one["name"] == NAME]
    assert sales == {
        "name": NAME,
        "description": (
            "Adds confirmed, cancelled and returned orders, and refunds, to the daily sales, by day and currency."
        ),
        "queue": "streams", "atRelay": False, "replay": True,
    }  # fmt: skip
    created = types["order.created", "1.0"]["listeners"]
    assert {one["name"] for one in created if one["atRelay"]} == {"orders.PlaceOrder"}


def test_every_schema_is_public_and_fits_its_event() -> None:
    stranger = client_of(None)
    for event in installed():
        answer = stranger.get(f"{TYPES}{event.type}/{event.version}/schema.json")
        assert answer.status_code == 200, event
        schema = answer.json()
        assert schema["$id"].endswith(f"/event-types/{event.type}/{event.version}/schema.json")
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        validator.check_schema(schema)
        validator.validate(golden_of(event))
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({})


def test_every_envelope_has_a_public_schema() -> None:
    stories.confirmed()
    stranger = client_of(None)
    for event in StoredEvent.objects.all():
        schema = stranger.get(f"{TYPES}{event.type}/{event.version}/envelope.json").json()
        assert schema["$id"].endswith(f"/event-types/{event.type}/{event.version}/envelope.json")
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        validator.check_schema(schema)
        validator.validate(event.envelope())
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(event.data)


@pytest.mark.parametrize("name", ["order.created/9.0", "order.teleported/1.0", "valley.shouted/1.0"])
def test_an_unknown_schema_is_not_found(name: str) -> None:
    assert registry.is_declared(Shouted)  # by the tests, so it is none of the project's
    for page in ("schema.json", "envelope.json"):
        assert_problem(client_of(None).get(f"{TYPES}{name}/{page}"), 404, "not-found")


def test_the_asyncapi_document_is_valid_and_complete(operator: APIClient) -> None:
    document = operator.get(ASYNCAPI).json()
    jsonschema.Draft7Validator(SPEC).validate(document)
    assert {message["name"] for message in document["components"]["messages"].values()} == {
        event.type for event in installed()
    }
    assert {"order", "payment", "inventory", "notification", "live", "webhooks"} <= document["channels"].keys()
    told = document["operations"][f"{NAME}.order"]
    assert (told["action"], len(told["messages"])) == ("receive", 3)
    assert document["servers"].keys() == {"api"}, "no broker has an address"


def test_every_reference_leads_somewhere() -> None:
    document = json.loads(json.dumps(asyncapi()))
    found = list(references(document))
    assert len(found) > 100
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part.replace("~1", "/")]


def references(part: Any) -> Any:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_a_message_is_what_is_sent() -> None:
    """The payload's schema takes a real envelope of its type, and none of another."""
    document = json.loads(json.dumps(asyncapi()))
    stories.confirmed()
    for event in StoredEvent.objects.all():
        payload = document["components"]["messages"][f"{event.type}-{event.version}"]["payload"]
        validator = jsonschema.Draft202012Validator({**payload, "components": document["components"]})
        validator.validate(event.envelope())
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**event.envelope(), "eventType": "order.teleported"})


def test_servers_are_named_without_their_passwords(settings: Any) -> None:
    settings.EVENT_SERVERS = {"api": "https://shop.example:8443", "kafka": "kafka://user:hidden@kafka.internal:9093"}
    assert asyncapi()["servers"] == {
        "api": {"host": "shop.example:8443", "protocol": "https"},
        "kafka": {"host": "kafka.internal:9093", "protocol": "kafka"},
    }
    jsonschema.Draft7Validator(SPEC).validate(json.loads(json.dumps(asyncapi())))
    assert "hidden" not in json.dumps(asyncapi())


def test_the_validator_would_notice() -> None:
    document = asyncapi()
    document["channels"]["order"]["adress"] = "order"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SPEC).validate(json.loads(json.dumps(document)))


# --- replays -------------------------------------------------------------------------------------------------


def test_a_replay_is_started_and_followed(operator: APIClient) -> None:
    valley = uuid4()
    emit([Shouted(valley_id=valley, word=word) for word in "abc"])
    asked = {"subscriber": "tests.echo", "stream": f"valley:{valley}", "reason": "the echo was ill"}
    answer = operator.post(REPLAYS, asked)
    assert answer.status_code == 202
    replay = answer.json()
    assert answer["Location"] == f"{REPLAYS}{replay['id']}/"
    assert (replay["state"], replay["events"], replay["rebuild"], replay["dryRun"]) == ("running", 3, False, False)
    followed = operator.get(answer["Location"]).json()
    assert followed == replay
    assert (followed["progress"], name_of(followed["startedBy"]), followed["finishedAt"]) == (0.0, "operator", None)
    line = Audit.objects.get()
    assert (line.who, line.action, line.reason) == ("operator", "replay", "the echo was ill")
    assert_problem(operator.post(REPLAYS, asked), 409, "conflict")
    assert_problem(operator.get(f"{REPLAYS}{uuid4()}/"), 404, "not-found")


def test_a_dry_run_says_how_much_it_would_be(operator: APIClient) -> None:
    emit([Shouted(valley_id=uuid4(), word=word) for word in "abc"])
    stories.confirmed()
    for name, events, deliveries, rebuild in (("tests.echo", 3, 3, False), (NAME, 1, 0, True)):
        answer = operator.post(REPLAYS, {"subscriber": name, "dryRun": True})
        told = answer.json()
        assert (answer.status_code, told["id"], told["dryRun"], told["rebuild"]) == (202, None, True, rebuild)
        assert (told["events"], told["deliveries"]) == (events, deliveries)
    assert not Replay.objects.exists()
    assert not Audit.objects.exists()


@pytest.mark.parametrize(
    ("asked", "status", "code", "pointer"),
    [
        ({"subscriber": "tests.frighten"}, 422, "not-replayable", ""),
        ({"subscriber": "nobody", "dryRun": True}, 422, "unknown-subscriber", ""),
        ({"subscriber": NAME, "since": "2026-01-01T00:00:00Z"}, 422, "whole-log-only", ""),
        ({}, 400, "invalid", "#/subscriber"),
        ({"subscriber": "tests.echo", "since": "2026-01-01T00:00:00"}, 400, "invalid", "#/since"),
        ({"subscriber": "tests.echo", "untill": None}, 400, "invalid", "#/untill"),
        ({"subscriber": "tests.echo", "stream": "a\0"}, 400, "invalid", "#/stream"),
    ],
    ids=["not replayable", "unknown", "part of a read model", "nobody", "no time zone", "misspelt", "nul"],
)
def test_what_does_not_fit_is_a_problem(operator: APIClient, asked: Any, status: int, code: str, pointer: str) -> None:
    assert_problem(operator.post(REPLAYS, asked), status, code, pointer)
    assert not Replay.objects.exists()


# --- who may -------------------------------------------------------------------------------------------------


def test_each_needs_its_own_permission() -> None:
    rights = {
        EVENTS: "events.view_storedevent", TYPES: "events.view_storedevent", ASYNCAPI: "events.view_storedevent",
        f"{REPLAYS}{uuid4()}/": "events.view_replay",
    }  # fmt: skip
    customer, stranger = client_of(user("customer")), client_of(None)
    for url, right in rights.items():
        assert_problem(stranger.get(url), 401, "not-authenticated")
        assert_problem(customer.get(url), 403, "permission-denied")
        assert client_of(user("", right)).get(url).status_code in {200, 404}
    asked = {"subscriber": NAME, "dryRun": True}
    assert_problem(stranger.post(REPLAYS, asked), 401, "not-authenticated")
    for other in set(rights.values()):
        assert_problem(client_of(user("", other)).post(REPLAYS, asked), 403, "permission-denied")


def test_an_event_is_as_it_was_recorded(operator: APIClient) -> None:
    order = stories.confirmed()
    (event,) = operator.get(EVENTS, {"type": "order.confirmed"}).json()["results"]
    assert event["data"] == json.loads(encode(OrderConfirmed(order_id=order.id, total=order.money)))
    assert echoes.heard == []
