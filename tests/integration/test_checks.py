"""What only shows once all is imported is said by `manage.py check`."""

from events.aggregate import Aggregate
from events.checks import aggregates_can_be_verified, periodic_tasks_exist, subscribers_are_deliverable
from events.registry import _events
from orders.models import Order
from payments.models import Payment
from tests.integration import listeners


def test_the_project_as_it_is_has_nothing_to_say():
    assert periodic_tasks_exist(None) == []
    assert subscribers_are_deliverable(None) == []
    assert aggregates_can_be_verified(None) == []


def test_an_aggregate_that_nothing_compares_with_its_log(monkeypatch):
    monkeypatch.setattr(Order, "evolve", Aggregate.evolve)
    monkeypatch.setattr(Payment, "stream_kind", "order")
    assert [problem.msg for problem in aggregates_can_be_verified(None)] == [
        "Order is an aggregate and declares no evolve",
        "Order is not the only aggregate whose streams are called order",
        "Payment is not the only aggregate whose streams are called order",
    ]


def test_a_periodic_task_that_is_misspelt(settings):
    settings.CELERY_BEAT_SCHEDULE = {"sweep": {"task": "sagas.sweeep", "schedule": 1.0}}
    (problem,) = periodic_tasks_exist(None)
    assert "CELERY_BEAT_SCHEDULE['sweep']: no task 'sagas.sweeep'" in problem.msg


def test_a_periodic_task_without_a_queue(settings):
    settings.CELERY_BEAT_SCHEDULE = {"clean": {"task": "celery.backend_cleanup", "schedule": 1.0}}
    assert periodic_tasks_exist(None) == []  # Celery's own go to the default queue


def test_a_subscriber_whose_event_is_declared_no_longer(monkeypatch):
    monkeypatch.delitem(_events, (listeners.Rang.type, listeners.Rang.version))
    assert any(
        "subscribes to Rang, which is no longer declared" in problem.msg
        for problem in subscribers_are_deliverable(None)
    )
