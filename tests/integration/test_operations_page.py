"""The operations page over real rows: what was counted, what waits, who runs, and how samples are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from events.db.query import execute
from events.log.append import emit
from events.metrics import flush, presence
from events.metrics.declare import Memory
from events.models import Delivery, Measure, Process
from orderproject.admin_site.navigation import sidebar
from orderproject.models import Sample, User
from orderproject.observability import within_time
from orderproject.operations import history, now, page, sampling
from orderproject.operations.history import RANGES
from orders.models import DailySales
from orders.tallies import PLACED, SETTLING
from publishing.models import Cursor
from sagas.plan import RunState, StepState
from tests import stories
from tests.integration.listeners import Rang

pytestmark = pytest.mark.django_db
PAGE = "/admin/operations/"


def add(placed: int, seconds: list[float]) -> None:
    """As processes add to the totals."""
    memory = Memory()
    PLACED.add(placed, "EUR", into=memory)
    SETTLING.observe_all(seconds, "confirmed", into=memory)
    flush.write(memory)


def sampled(ago: timedelta) -> None:
    """A sample of the present totals, as if it had been taken then."""
    sampling.sample()
    Sample.objects.filter(minute=Sample.objects.latest("minute").minute).update(
        minute=_minute(ago), at=timezone.now() - ago
    )


def _minute(ago: timedelta) -> Any:
    return (timezone.now() - ago).replace(second=0, microsecond=0)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(_member("operators"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _member(group: str) -> User:
    person = User.objects.create_user(group.replace(" ", "-"), is_staff=True)
    person.groups.add(Group.objects.get(name=group))
    return person


# --- what was counted -----------------------------------------------------------------------------------------


def test_points_tell_what_was_counted_between_two_samples() -> None:
    sampled(minutes(10))
    add(12, [0.02] * 10)
    sampled(minutes(9))
    (point,) = history.read(RANGES["1h"]).points
    assert point.rise["placed"] == 12
    assert point.rise["settling le 0.025"] == 10
    assert point.seconds == pytest.approx(60, abs=2)


def test_a_minute_without_a_sample_is_told_by_the_next() -> None:
    sampled(minutes(10))
    add(3, [])
    add(4, [])
    sampled(minutes(5))
    (point,) = history.read(RANGES["1h"]).points
    assert (point.rise["placed"], round(point.seconds)) == (7, 300)


def test_counts_that_begin_again_at_nothing_are_no_negative_rates() -> None:
    add(100, [])
    sampled(minutes(10))
    Measure.objects.filter(metric=PLACED.name).delete()
    add(5, [])
    sampled(minutes(9))
    assert [point.rise["placed"] for point in history.read(RANGES["1h"]).points] == [5]


def test_a_day_has_a_point_for_ten_minutes_with_the_greatest_backlog_in_them() -> None:
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    for minute, waiting in [(0, 1), (4, 9), (9, 2), (10, 3), (11, 8), (12, 5), (13, 6)]:
        Sample.objects.create(
            minute=start + minutes(minute), at=start + minutes(minute), totals={"placed": minute * 10},
            gauges={"waiting orders": waiting}, coarse=False,
        )  # fmt: skip
    (point,) = history.read(RANGES["24h"]).points
    assert (point.rise["placed"], point.seconds, point.gauges["waiting orders"]) == (40, 240, 8)
    assert [one.rise["placed"] for one in history.read(RANGES["7d"]).points] == []


def test_two_samples_of_one_minute_are_one() -> None:
    sampling.sample()
    first = Sample.objects.get()
    add(5, [])
    execute(sampling.TAKE, ["{}", "{}"])
    assert Sample.objects.filter(minute=first.minute).get().totals == first.totals


def test_old_samples_are_thinned_and_older_ones_deleted() -> None:
    def write(ago: timedelta, placed: int, dead: int) -> None:
        Sample.objects.create(
            minute=_minute(ago), at=timezone.now() - ago, totals={"placed": placed}, gauges={"dead": dead}, coarse=False
        )

    quarter = execute("SELECT date_bin('15 min', clock_timestamp() - interval '30 h', 'epoch')", [])[0][0]
    age = timezone.now() - quarter
    for minute in range(15):
        write(age - minutes(minute), placed=minute, dead=99 if minute == 4 else 1)
    write(timedelta(days=8), 0, 0)
    write(timedelta(hours=2), 50, 0)
    sampling.sample()
    sampling.sample()
    kept = list(Sample.objects.order_by("minute"))
    assert [(one.totals.get("placed"), one.gauges.get("dead"), one.coarse) for one in kept] == [
        (14, 99, True), (50, 0, False), (0, 0, False),
    ]  # fmt: skip


# --- the page -------------------------------------------------------------------------------------------------


def test_the_page_shows_what_was_counted_and_what_waits(operator: Client) -> None:
    sampled(minutes(3))
    sampled(minutes(1.5))
    add(30, [0.02] * 30)
    order = stories.stuck()
    stories.dead_delivery(order)
    emit([Rang(bell_id=uuid4(), name="ding")])
    DailySales.objects.create(
        build=1, day=timezone.now().date(), currency="EUR", confirmed=7, revenue="123.40", cancelled=1, returned=0,
        refunded=0,
    )  # fmt: skip
    Cursor.objects.create(publisher="kafka", slot=0, slots=1, first=0, position=0)
    text = operator.get(PAGE).content.decode()
    tiles = dict(_tiles(text))
    assert tiles["Placed to settled, p50 / p99"] == "18 ms / 25 ms"
    assert float(tiles["Orders placed"].removesuffix("/min")) == pytest.approx(20, rel=0.05)
    assert tiles["Dead"] == "1"
    assert tiles["Stuck sagas"] == "1"
    assert tiles["Sales today (UTC), 7 orders"] == "123.40 EUR"
    assert "<td>PlaceOrder</td><td>stuck</td>" in text
    assert "<td>kafka</td>" in text
    assert 'data-as="minute"' in text


def _tiles(text: str) -> Iterator[tuple[str, str]]:
    """The title of each with its value."""
    for part in text.split("<b>")[1:]:
        value, _, title = part.partition("</div>")[0].partition("</a>")[0].partition("</b>")
        yield title, value


def test_without_any_sample_it_says_so(operator: Client) -> None:
    text = operator.get(PAGE, {"range": "7d"}).content.decode()
    assert text.count("A point is added every minute") == 8
    assert "No process has reported yet." in text
    assert "All sagas have ended." in text
    assert "The log is published to no broker." in text


def test_the_backlog_of_a_queue_is_its_deliveries_and_steps() -> None:
    emit([Rang(bell_id=uuid4(), name="ding")])
    stories.saga_run(uuid4(), RunState.RUNNING, {"hold_stock": StepState.WAITING})
    execute("UPDATE sagas_sagarun SET wake_at = now(), finished_at = NULL", [])
    queues = {one.name: one for one in now.read().queues or ()}
    assert queues["orders"].waiting == Delivery.objects.filter(subscriber="tests.together").count() == 1
    assert queues["inventory"].waiting == 1 + 1
    assert queues["orders"].messages == 0
    gauges = now.gauges()
    assert (gauges["waiting inventory"], gauges["open"]) == (2, 1)


def test_a_part_that_takes_too_long_is_left_out(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within_time, "TIMEOUT", 0.05)
    monkeypatch.setattr(now, "processes", lambda: execute("SELECT pg_sleep(5)", []))
    text = operator.get(PAGE).content.decode()
    assert text.count("the database took longer than a second") == 1
    assert "All sagas have ended." in text


def test_it_takes_a_constant_number_of_statements(operator: Client) -> None:
    needed = []
    operator.get(PAGE)
    for orders in (0, 1, 4):
        for number in range(orders):
            stories.dead_delivery(stories.stuck())
            sampled(minutes(10 * orders + number))
        with CaptureQueriesContext(connection) as seen:
            assert operator.get(PAGE).status_code == 200
        needed.append(len(seen))
    assert needed == [needed[0]] * 3
    assert needed[0] < 60


@pytest.mark.parametrize(("group", "status"), [("auditors", 200), ("order managers", 403), ("warehouse", 403)])
def test_who_may_see_it(client: Client, group: str, status: int) -> None:
    person = _member(group)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(PAGE).status_code == status
    assert client.get(f"{PAGE}stream/").status_code == (503 if status == 200 else 403)
    request: Any = client.get("/admin/").wsgi_request
    (entry,) = (one for one in sidebar(request)[0]["items"] if one["title"] == "Operations")
    assert entry["permission"](request) is (status == 200)


def test_only_to_be_read(operator: Client) -> None:
    assert operator.post(PAGE).status_code == 405


# --- who runs -------------------------------------------------------------------------------------------------


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_introductions", {})
    monkeypatch.setattr(flush, "identity", lambda: "me")


def _reports(process: str, ago: float = 0.0) -> None:
    Measure.objects.update_or_create(
        metric="processes_running", labels='["worker"]', part="", process=process,
        defaults={"value": 1, "at": timezone.now() - timedelta(seconds=ago)},
    )  # fmt: skip


@pytest.mark.usefixtures("known")
def test_a_process_is_listed_while_it_reports_and_when_it_was_killed(operator: Client, settings: Any) -> None:
    settings.RELEASE = "1.2.3"
    does = iter(["3 orders.confirm", "idle"])
    presence.introduce("worker", "worker-core@here", ["orders", "streams"], lambda: next(does))
    presence.tell()
    assert presence.processes() == []
    _reports("me")
    (one,) = presence.processes()
    assert (one.name, one.release, one.serves, one.doing, one.lives) == (
        "worker-core@here", "1.2.3", ("orders", "streams"), "3 orders.confirm", True,
    )  # fmt: skip
    presence.tell()
    assert "<td>idle</td>" in operator.get(PAGE).content.decode()
    _reports("me", ago=60)
    assert "ended without a word" in operator.get(PAGE).content.decode()


@pytest.mark.usefixtures("known")
def test_one_that_ended_well_is_forgotten() -> None:
    Process.objects.create(id="gone", kind="relay", host="here", pid=7, started_at=timezone.now())
    presence.introduce("worker")
    presence.tell()
    assert [one.id for one in Process.objects.all()] == ["me"]


def test_the_page_is_made_by_the_same_code_as_the_stream() -> None:
    assert "Queues" in page.now_html()
    assert "Backlog by queue" in page.charts_html(RANGES["1h"])
