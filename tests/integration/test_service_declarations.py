"""What the applications declare in apps.py arrives: in the sidebar, the groups, beat and the stack."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import RequestFactory

from desk.service import ServiceConfig, declared_queues_of, service_configs
from events.worker.periodic_tasks import PeriodicTasks
from events.worker.scheduler import Scheduler
from orderproject.accounts.groups import groups
from orderproject.admin_site.navigation import sidebar
from orderproject.applications import APPLICATIONS
from orderproject.celery import app
from orderproject.models import User
from orderproject.stack.processes import PROJECT

OURS = ("desk", "events", "sagas", "orders", "inventory", "payments", "notifications", "orderproject")
WORKERS = """
import sys
from pathlib import Path
from orderproject.stack.deployment import Deployment
from orderproject.stack.process_specs import waves

at = Deployment(Path(sys.argv[1]), "", "", "redis://127.0.0.1:9/0", "", 1, 2, 3)
specs = [spec for wave in waves(at) for spec in wave]
print(*(f"{spec.name} {spec.argv[spec.argv.index('-Q') + 1]}" for spec in specs if "-Q" in spec.argv), sep="\\n")
print("orderproject.settings" in sys.modules)
"""


def of_ours() -> list[ServiceConfig]:
    """Those that the project has had from the beginning."""
    return [config for config in service_configs() if config.name in OURS]


def test_every_application_of_ours_declares() -> None:
    assert [config.name for config in service_configs()] == list(APPLICATIONS)


def test_the_one_command_stack_needs_no_settings_to_know_the_queues(tmp_path: Path) -> None:
    outside = {"PATH": os.environ["PATH"]}
    said = subprocess.check_output([sys.executable, "-c", WORKERS, str(tmp_path)], cwd=PROJECT, env=outside, text=True)
    *workers, loaded = said.splitlines()
    queues = {name: set(queues.split(",")) for name, queues in (line.split() for line in workers)}
    assert queues.keys() == {"worker-core", "worker-calls", "worker-network"}
    assert queues["worker-core"] >= {"orders", "inventory", "streams"}
    assert queues["worker-calls"] >= {"payments", "orders", "inventory"}
    assert "streams" not in queues["worker-calls"]
    assert queues["worker-network"] >= {"notifications"}
    assert loaded == "False"


def test_an_application_without_a_declaration_is_named() -> None:
    with pytest.raises(LookupError, match=r"^axes/apps\.py must declare"):
        declared_queues_of(["axes"])


@pytest.mark.django_db
def test_the_sidebar_in_order() -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("boss")
    sections = [(section["title"], [item["title"] for item in section["items"]]) for section in sidebar(request)]
    expected = [
        ("", ["Dashboard", "Operations"]),
        ("Orders", ["Orders", "Returns", "Daily sales"]),
        ("Catalogue & stock", ["Products", "Warehouses", "Stock", "Reservations", "Holds"]),
        ("Payments", ["Payments", "Refunds"]),
        ("Notifications", ["Notifications", "Webhooks", "Webhook deliveries"]),
        ("Events & deliveries", ["Stored events", "Deliveries", "Dead messages", "Replays", "Breakers"]),
        ("Sagas", ["Sagas"]),
        ("Audit", ["Audit"]),
        ("Users", ["Users", "Groups", "API keys"]),
        ("Elsewhere", ["API documentation"]),
    ]
    titles = {title for title, _ in expected}
    assert [section for section in sections if section[0] in titles] == expected


def test_the_groups() -> None:
    readable = {config.qualified(f"view_{model}") for config in of_ours() for model in config.readable}
    assert len(readable) == 19
    names = {f"{config.label}." for config in of_ours()} | {"auth.", "admin."}
    declared = {name: {code for code in codes if code.startswith(tuple(names))} for name, codes in groups().items()}
    assert {name: len(codes) for name, codes in declared.items()} == {
        "order managers": 28,
        "warehouse": 16,
        "operators": 34,
        "auditors": 26,
    }
    assert all(readable <= declared[name] for name in ("order managers", "operators", "auditors"))
    assert declared["auditors"] - readable == {
        "desk.view_audit",
        "events.view_flower",
        "orderproject.view_operations",
        "orderproject.view_user",
        "orderproject.view_apikey",
        "auth.view_group",
        "admin.view_logentry",
    }
    assert "inventory.change_stock" in declared["warehouse"]
    assert "payments.view_payment" not in declared["warehouse"]


def test_beat_sends_what_is_declared(tmp_path: Path) -> None:
    scheduler = Scheduler(app=app, schedule_filename=str(tmp_path / "schedule"))
    try:
        entries: list[Any] = list(scheduler.schedule.values())
    finally:
        scheduler.close()
    ours = [entry for entry in entries if not entry.task.startswith("celery.")]
    sent = {entry.task: (entry.schedule.run_every.total_seconds(), entry.options) for entry in ours}
    expected = {
        "sagas.sweep": (3.0, {"expires": 6}),
        "sagas.prune": (60.0, {"expires": 60}),
        "events.replay": (5.0, {"expires": 5}),
        "events.prune": (60.0, {"expires": 60}),
        "orders.prune_idempotent_requests": (60.0, {"expires": 60}),
        "inventory.release_expired_holds": (60.0, {"expires": 60}),
        "notifications.send_webhooks": (10.0, {"expires": 10}),
        "notifications.look_after_webhooks": (60.0, {"expires": 60}),
    }
    assert {task: sent.get(task) for task in expected} == expected


def test_another_pace_for_all_periodic_tasks() -> None:
    hurried = PeriodicTasks(every=1.0)
    assert len(hurried) == len(PeriodicTasks()) >= 8
    assert {entry["schedule"] for entry in hurried.values()} == {1.0}


def test_django_takes_the_declaring_class_itself() -> None:
    assert type(apps.get_app_config("orders")) is not ServiceConfig
    assert isinstance(apps.get_app_config("orders"), ServiceConfig)
