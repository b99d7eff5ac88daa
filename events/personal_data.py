"""Erases a person from the log, its deliveries and the dead messages.

The log keeps every event with its ids, goods and money. Only the texts that an event declares as `personal` go, and the
name of the actor in rows that are older than `desk.actors`. What else refers to the person is an id.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q
from django.utils.timezone import now

from desk.personal_data import FORGOTTEN, Person, PersonalData, Trace, mentions, redacting
from events.db.query import execute
from events.dead_letters.queries import letter_id
from events.declare.registry import declared
from events.models import Attempt, DeadMessage, Delivery, Replay

# Plan: the unique index on (stream, stream_version), one range per stream.
REDACT = """
UPDATE events_storedevent event SET data = event.data || (
    SELECT jsonb_object_agg(field, %(forgotten)s::text) FROM unnest(%(fields)s::text[]) AS field
    WHERE coalesce(event.data ->> field, '') NOT IN ('', %(forgotten)s))
WHERE stream = ANY(ARRAY(SELECT unnest(%(streams)s::text[]))) AND type = %(type)s AND EXISTS (
    SELECT 1 FROM unnest(%(fields)s::text[]) AS field
    WHERE coalesce(event.data ->> field, '') NOT IN ('', %(forgotten)s))
RETURNING position
"""

# Plan: reads the whole log, once for each person who is forgotten: the names are older than any index on them.
UNNAME = "UPDATE events_storedevent SET actor = %s WHERE actor = ANY(%s) RETURNING position"

DELIVERIES = """
SELECT delivery.id FROM events_storedevent event JOIN events_delivery delivery ON delivery.event_id = event.position
WHERE event.stream = ANY(ARRAY(SELECT unnest(%s::text[])))
"""


class Log(PersonalData):
    def trace(self, person: Person) -> Trace:
        ids = _deliveries(person)
        return Trace(targets=frozenset({*map(str, ids), *(str(letter_id(id_)) for id_ in ids)}))

    def erase(self, person: Person) -> Mapping[str, int]:
        return {
            "texts in events": _redact_events(person),
            "actors of events": _unname_actors(person),
            "errors of deliveries": _erase_deliveries(_deliveries(person)),
            "dead messages": _erase_dead_messages(person),
            "replays": Replay.objects.filter(started_by__in=person.names).update(started_by=person.actor),
        }


def _streams(person: Person) -> list[str]:
    kinds = sorted({event.stream_kind for event in declared()})
    return [f"{kind}:{subject}" for subject in sorted(person.subjects) for kind in kinds]


def _redact_events(person: Person) -> int:
    streams, count = _streams(person), 0
    with redacting():
        for type_, fields in sorted(_personal_fields().items()):
            given = {"forgotten": FORGOTTEN, "fields": sorted(fields), "streams": streams, "type": type_}
            count += len(execute(REDACT, given))
    return count


def _personal_fields() -> dict[str, set[str]]:
    """The fields of every event type, in all its versions."""
    found: dict[str, set[str]] = {}
    for event in declared():
        if event.personal:
            found.setdefault(event.type, set()).update(event.personal)
    return found


def _unname_actors(person: Person) -> int:
    with redacting():
        return len(execute(UNNAME, [person.actor, sorted(person.names)]))


def _deliveries(person: Person) -> list[int]:
    return [id_ for (id_,) in execute(DELIVERIES, [_streams(person)])]


def _erase_deliveries(ids: list[int]) -> int:
    """Error messages and tracebacks can quote an address; edited data can hold anything."""
    failed = Attempt.objects.filter(delivery__in=ids).exclude(error=FORGOTTEN)
    Delivery.objects.filter(id__in=ids, edited_data__isnull=False).update(edited_data=None)
    return failed.update(error=FORGOTTEN, traceback=FORGOTTEN)


def _erase_dead_messages(person: Person) -> int:
    """No message of this project holds a name; one that somebody else sent may."""
    kept = DeadMessage.objects.exclude(Q(body=b"") & Q(error=FORGOTTEN))
    found = [one.pk for one in kept.iterator(chunk_size=200) if mentions(_text_of(one), person.names)]
    erased = {"body": b"", "headers": "{}", "properties": "{}", "error": FORGOTTEN, "discarded_at": now()}
    return DeadMessage.objects.filter(pk__in=found).update(**erased)


def _text_of(message: DeadMessage) -> str:
    body = bytes(message.body).decode("utf-8", "replace")
    return " ".join((body, message.headers, message.properties, message.error))
