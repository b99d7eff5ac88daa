"""What only shows once all is imported is said by `manage.py check`."""

from desk.service import SidebarLink, SidebarSection
from events.checks import (
    aggregates_can_be_verified,
    headlines_name_fields,
    periodic_tasks_exist,
    queues_have_workers,
    subscribers_are_deliverable,
)
from events.declare.event import DECLARED
from events.log.aggregate import Aggregate
from orderproject.checks import permissions_exist, sidebar_leads_somewhere
from orders.apps import OrdersConfig
from orders.events import Goods
from orders.models import Order
from payments.models import Payment
from tests.integration import listeners


def test_the_project_as_it_is_has_nothing_to_say():
    assert periodic_tasks_exist(None) == []
    assert subscribers_are_deliverable(None) == []
    assert aggregates_can_be_verified(None) == []
    assert queues_have_workers(None) == []
    assert headlines_name_fields(None) == []
    assert permissions_exist(None) == []
    assert sidebar_leads_somewhere(None) == []


def test_an_aggregate_that_nothing_compares_with_its_log(monkeypatch):
    monkeypatch.setattr(Order, "evolve", Aggregate.evolve)
    monkeypatch.setattr(Payment, "stream_kind", "order")
    assert [problem.msg for problem in aggregates_can_be_verified(None)] == [
        "Order is an aggregate and must declare evolve",
        "Order: another aggregate also has stream_kind='order'; each needs its own",
        "Payment: another aggregate also has stream_kind='order'; each needs its own",
    ]


def test_a_periodic_task_that_is_misspelt(settings):
    settings.CELERY_BEAT_SCHEDULE = {"sweep": {"task": "sagas.sweeep", "schedule": 1.0}}
    (problem,) = periodic_tasks_exist(None)
    assert "CELERY_BEAT_SCHEDULE['sweep']: no task 'sagas.sweeep'" in problem.msg


def test_a_periodic_task_without_a_queue(settings):
    settings.CELERY_BEAT_SCHEDULE = {"clean": {"task": "celery.backend_cleanup", "schedule": 1.0}}
    assert periodic_tasks_exist(None) == []  # Celery's own go to the default queue


def test_a_subscriber_whose_event_is_declared_no_longer(monkeypatch):
    monkeypatch.delitem(DECLARED, (listeners.Rang.type, listeners.Rang.version))
    assert any(
        "subscribes to Rang, which is no longer declared" in problem.msg
        for problem in subscribers_are_deliverable(None)
    )


def test_a_queue_that_no_worker_serves(monkeypatch):
    monkeypatch.setattr(OrdersConfig, "queues", {})
    (problem,) = queues_have_workers(None)
    assert "no application serves the queue 'orders'" in problem.msg


def test_a_headline_of_a_field_that_is_gone(monkeypatch):
    monkeypatch.setattr(Goods, "headline", ("quantity", "name"))
    (problem,) = headlines_name_fields(None)
    assert problem.msg == "Goods: headline names 'name', which is none of its fields"


def test_a_permission_or_a_group_that_is_misspelt(monkeypatch):
    monkeypatch.setattr(OrdersConfig, "permissions", {"warehouse": ("shipp_order",)})
    (problem,) = permissions_exist(None)
    assert "'warehouse' is given orders.shipp_order" in problem.msg
    monkeypatch.setattr(OrdersConfig, "permissions", {"warehouses": ("ship_order",)})
    (problem,) = permissions_exist(None)
    assert "orders/apps.py gives permissions to the group 'warehouses', which does not exist" in problem.msg


def test_a_link_of_the_sidebar_that_leads_nowhere(monkeypatch):
    wrong = SidebarSection("Orders", (SidebarLink("Orders", "shopping_cart", "ordre"),))
    monkeypatch.setattr(OrdersConfig, "sidebar", (wrong,))
    (problem,) = sidebar_leads_somewhere(None)
    assert "orders/apps.py: the sidebar's 'Orders' leads to orders.ordre" in problem.msg
