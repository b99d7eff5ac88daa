"""What the inbox has received, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from orderproject.observability.families import gauge
from publishing.inbox.repair import waiting
from publishing.models import Inbox

RESULTS = ("received", "repeated", "skipped", "unreadable")


def inbox() -> Iterator[Metric]:
    """One row for each source and broker, and an index of the messages that wait."""
    rows = list(Inbox.objects.all())
    of = ["source", "broker"]
    messages = CounterMetricFamily(
        "inbox_messages", "Messages that came, by what became of them.", labels=[*of, "result"]
    )
    for one in rows:
        for result in RESULTS:
            messages.add_metric((one.source, one.broker, result), getattr(one, result))
    yield messages
    failing = [((one.source, one.broker), float(bool(one.error))) for one in rows]
    yield gauge("inbox_failing", "Whether nothing is received because of an error.", of, failing)
    waits = [((), waiting().count())]
    yield gauge("inbox_unreadable_waiting", "Unreadable messages that wait for an operator.", [], waits)
