"""Beat's scheduler, with tasks that are counted instead of sent."""

import time
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry
from celery.schedules import schedule

from events.worker.scheduler import Scheduler

EVERY = 0.2
SECONDS = 1.5


class Counting(Scheduler):
    """Its schedule lies in memory."""

    entries: dict[str, ScheduleEntry]
    sent: int = 0

    def get_schedule(self) -> dict[str, ScheduleEntry]:
        return self.entries

    schedule = property(get_schedule)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        self.sent += 1


def test_beat_sleeps_until_a_task_is_due_and_asks_no_more_often_than_it_must():
    app = Celery(set_as_current=False)
    scheduler = Counting(app=app, lazy=True)
    every = schedule(timedelta(seconds=EVERY), app=app)
    scheduler.entries = {"often": ScheduleEntry(name="often", task="tests.often", schedule=every, app=app)}
    ticks, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        interval = scheduler.tick()
        ticks += 1
        if interval and interval > 0:
            time.sleep(interval)
    assert scheduler.sent >= SECONDS / EVERY / 2
    assert ticks <= 4 * scheduler.sent + 4, f"{ticks} looks for {scheduler.sent} tasks"
