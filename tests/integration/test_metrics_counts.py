"""Counts of processes, as they are stored: totals add up, a failed write keeps its numbers, and bounds may change."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from events.log import tally
from events.log.append import emit
from events.metrics import flush, reading
from events.metrics.declare import Counter, Histogram, Memory, Moment
from events.models import Measure
from orderproject.observability import within_time
from orderproject.observability.families import counted
from orderproject.stack.processes import PROJECT
from tests.integration.inline import Seen

pytestmark = pytest.mark.django_db(transaction=True)
RUNG = Counter("tests_rung_total", "Rings.", ("bell",), known=lambda: [("silent",)])
TOOK = Histogram("tests_took_seconds", "Times.", (), (0.1, 1.0))
LAST = Moment("tests_last_timestamp_seconds", "The last.")


def exported(name: str) -> dict[str, float]:
    """The samples of a metric, by suffix and labels."""
    family = next(one for one in counted() if one.name == name)
    return {sample.name.removeprefix(name) + "".join(sample.labels.values()): sample.value for sample in family.samples}


def test_totals_of_two_processes_add_up() -> None:
    for _ in range(2):
        memory = Memory()
        RUNG.add(2, 'a "bell"', into=memory)
        TOOK.observe_all([0.05, 0.1, 0.5, 7.0], into=memory)
        flush.write(memory)
    assert exported("tests_rung") == {'_totala "bell"': 4, "_totalsilent": 0}
    assert exported("tests_took_seconds") == {
        "_bucket0.1": 4, "_bucket1.0": 6, "_bucket+Inf": 8, "_count": 8, "_sum": pytest.approx(15.3),
    }  # fmt: skip


def test_a_write_that_fails_keeps_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    RUNG.add(1, "b", into=memory)
    with monkeypatch.context() as patch:
        patch.setattr("events.metrics.sql.ADD", "SELECT 1/0")
        with pytest.raises(DatabaseError):
            flush.write(memory)
    RUNG.add(1, "b", into=memory)
    flush.write(memory)
    flush.write(memory)
    assert reading.totals()["tests_rung_total"]["b",] == {"": 2}


def test_counts_of_earlier_bounds_are_kept() -> None:
    memory = Memory()
    memory.add_all(TOOK.name, (), [("0.5", 3.0)], 1.2)
    flush.write(memory)
    assert exported("tests_took_seconds")["_bucket1.0"] == 3
    assert exported("tests_took_seconds")["_bucket0.1"] == 0


def test_the_latest_moment_of_all_stays() -> None:
    late, early = Memory(), Memory()
    LAST.now(into=early)
    time.sleep(0.05)
    LAST.now(into=late)
    flush.write(late)
    value = exported("tests_last_timestamp_seconds")[""]
    flush.write(early)
    assert exported("tests_last_timestamp_seconds")[""] == pytest.approx(value, abs=0.02)
    assert abs(time.time() - value) < 5


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="takes the labels"):
        RUNG.add(1)


def test_the_log_counts_each_event_once() -> None:
    emit([Seen(star_id=uuid4(), name=name) for name in ("a", "b")])
    tally.count_log()
    tally.count_log()
    assert reading.totals()["events_appended_total"]["star.seen",] == {"": 2}
    emit([Seen(star_id=uuid4(), name="c")])
    Measure.objects.filter(metric="events_tally").update(at="2020-01-01T00:00:00Z")
    tally.count_log()
    assert reading.totals()["events_appended_total"]["star.seen",] == {"": 3}


def test_a_process_reports_until_it_ends_and_writes_what_it_has_counted() -> None:
    at = connection.settings_dict
    program = """
        import django; django.setup()
        from events.delivery.measures import HANDLED
        from events.metrics import process
        process.start("beat", lambda: {("live_streams_open", ()): 7})
        HANDLED.add(3, "tests.counted")
        print("ready", flush=True); input()
    """
    url = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "orderproject.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=PROJECT, env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 20
        while "processes_running" not in reading.reported() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert reading.reported()["processes_running"] == {("beat",): 1}
        assert reading.reported()["live_streams_open"] == {(): 7}
        child.communicate("\n", timeout=30)
    assert reading.reported() == {}
    assert reading.totals()["events_deliveries_handled_total"]["tests.counted",] == {"": 3}


def test_a_section_that_takes_too_long_is_left_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within_time, "TIMEOUT", 0.05)
    monkeypatch.setattr("orderproject.observability.gauges.sagas.OPEN", "SELECT pg_sleep(5) WHERE %(most)s > 0")
    text = client.get("/metrics").content.decode()
    assert 'metrics_section_up{section="sagas"} 0.0' in text
    assert 'metrics_section_up{section="deliveries"} 1.0' in text
    assert "sagas_open" not in text
    assert "events_log_position" in text
