"""What an independent consumer got, compared with the log."""

from __future__ import annotations

from django.db.models import Max

from events.models import StoredEvent
from publishing.models import Cursor, HeldStream
from tests.chaos.wires.report import Report
from tests.chaos.wires.wire import Wire
from tests.publishing import disorder


def counted(wire: Wire, report: Report) -> None:
    """Reads everything back, removes duplicates by id, and counts what is missing or in the wrong order."""
    expected: dict[str, int] = dict(StoredEvent.objects.values_list("stream").annotate(Max("stream_version")))
    stored = {str(id_) for id_ in StoredEvent.objects.values_list("event_id", flat=True)}
    got = [(one["eventId"], one["stream"], one["streamVersion"]) for one in wire.received()]
    ids = {id_ for id_, _, _ in got}
    report.events = len(stored)
    report.counts = disorder([(stream, version) for _, stream, version in got], expected)
    if missing := stored - ids:
        report.problems.append(f"{len(missing)} events are missing, such as {sorted(missing)[:5]}")
    if strangers := ids - stored:
        report.problems.append(f"{len(strangers)} events are not in the log")
    if report.counts["gaps"] or report.counts["inversions"]:
        report.problems.append(f"{report.counts['gaps']} gaps, {report.counts['inversions']} inversions")


def waiting() -> int:
    """Events that the publisher still has to publish."""
    return StoredEvent.objects.filter(position__gt=Cursor.objects.get().position).count()


def at_rest() -> bool:
    last = StoredEvent.objects.latest("position").position
    return Cursor.objects.get().position == last and not HeldStream.objects.exists()
