"""docs/howto/add-a-service.md, followed step by step in a copy of the project, gives a service that works."""

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml
from psycopg import sql

from orderproject.stack.processes import PROJECT, Process, ProcessSpec
from tests.integration.howto import Copy

pytestmark = pytest.mark.slow

PAGE = PROJECT / "docs" / "howto" / "add-a-service.md"
OUTSIDE = {"docker-compose.yml", "orderproject/applications.py", "pyproject.toml"}
GENERATED = {
    "docs/catalogue.md",
    "tests/contracts/golden/loyalty.awarded-1.0.json",
    "tests/contracts/schemas/loyalty.awarded-1.0.json",
}
# Its messages go to another logical database than those of other tests.
APART = 48
CONFIRM = """
from decimal import Decimal
from uuid import UUID
from django.db import transaction
from events import Money
from events.log.append import emit
from orders.events import OrderConfirmed

with transaction.atomic():
    emit([OrderConfirmed(order_id=UUID({order!r}), total=Money(amount=Decimal("19.90"), currency="EUR"))])
"""
LOOK = """
import json
from django.contrib.auth.models import Group
from django.test import RequestFactory
from orderproject.admin_site.navigation import sidebar
from orderproject.models import User

request = RequestFactory().get("/")
request.user = User(is_superuser=True)
print(json.dumps({
    "sidebar": [section["title"] for section in sidebar(request)],
    "groups": {
        group.name: sorted(one.codename for one in group.permissions.filter(content_type__app_label="loyalty"))
        for group in Group.objects.all()
    },
}))
"""
STACK = """
import sys
from pathlib import Path
from orderproject.stack.deployment import Deployment
from orderproject.stack.process_specs import spec

argv = spec(Deployment(Path(sys.argv[1]), "", "", "redis://127.0.0.1:9/0", "", 1, 2, 3), "worker-core").argv
print(argv[argv.index("-Q") + 1])
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """The project with the service, and a database of its own."""
    name, url = f"howto_{secrets.token_hex(4)}", os.environ["DATABASE_URL"]
    server, _, number = os.environ["REDIS_URL"].rpartition("/")
    redis = f"{server}/{int(number) + APART}"
    environment = {
        **os.environ,
        "DATABASE_URL": f"{url.rpartition('/')[0]}/{name}",
        "REDIS_URL": redis,
        "BROKER_URL": redis,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": "",
    }
    folder = tmp_path_factory.mktemp("howto") / "project"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        copy = Copy(folder, environment)
        copy.follow(PAGE)
        yield copy
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    shutil.rmtree(folder)


def test_three_files_outside_the_service_are_edited(copy: Copy) -> None:
    outside = {file for file in copy.changed() if not file.startswith("loyalty/")}
    assert outside - GENERATED == OUTSIDE
    assert outside & GENERATED == GENERATED


def test_its_code_is_as_clean_as_the_rest(copy: Copy) -> None:
    folders = ("loyalty", "orderproject/applications.py")
    copy.run(".venv/bin/python", "-m", "ruff", "check", *folders)
    copy.run(".venv/bin/python", "-m", "ruff", "format", "--check", "--exclude", "migrations", *folders)


@pytest.mark.parametrize("imported", ["orders.models", "payments.steps", "orderproject.models"])
def test_the_rules_between_packages_hold_for_it(copy: Copy, imported: str) -> None:
    module = copy.folder / "loyalty" / "models.py"
    source = module.read_text()
    module.write_text(f"{source}\nimport {imported}\n")
    try:
        with pytest.raises(AssertionError, match="BROKEN"):
            copy.run(".venv/bin/lint-imports", "--no-cache")
    finally:
        module.write_text(source)


def test_no_test_of_the_project_has_to_know_it(copy: Copy) -> None:
    rules = ("architecture/test_layout.py", "architecture/test_doors.py", "architecture/test_docs.py", "contracts")
    more = (
        "integration/test_checks.py", "integration/test_compose.py", "integration/test_service_declarations.py",
        "unit/test_stack_parts.py",
    )  # fmt: skip
    said = copy.run(
        ".venv/bin/python", "-m", "pytest", "-q", "-n", "0", *(f"tests/{one}" for one in (*rules, *more)),
    )  # fmt: skip
    assert " passed" in said


def test_it_appears_in_the_stack_the_sidebar_and_the_groups(copy: Copy, tmp_path: Path) -> None:
    assert copy.run(".venv/bin/python", "-c", STACK, str(tmp_path)).strip() == "orders,inventory,loyalty,streams"
    copy.manage("migrate", "--no-input")
    shown = json.loads(copy.manage("shell", "--no-imports", "-c", LOOK))
    assert shown["sidebar"][4:7] == ["Notifications", "Loyalty", "Events & deliveries"]
    assert shown["groups"] == {
        "auditors": ["view_award"],
        "operators": ["view_award"],
        "order managers": ["change_award", "view_award"],
        "warehouse": [],
    }


def test_its_task_handles_an_event_on_its_queue(copy: Copy, tmp_path: Path) -> None:
    copy.manage("migrate", "--no-input")
    order = str(uuid4())
    services = yaml.safe_load((copy.folder / "docker-compose.yml").read_text())["services"]
    processes = [process(copy, tmp_path, name, services[name]["command"]) for name in ("worker-loyalty", "relay")]
    try:
        for one in processes:
            one.start()
        copy.manage("shell", "--no-imports", "-c", CONFIRM.format(order=order))
        deadline = time.monotonic() + 60
        while not (points := asked(copy, "SELECT points FROM loyalty_award WHERE order_id = %s", order)):
            assert time.monotonic() < deadline, "\n\n".join(one.failure_message("said") for one in processes)
            assert all(one.running for one in processes), "\n\n".join(one.failure_message("said") for one in processes)
            time.sleep(0.1)
        said = processes[0].output()
    finally:
        for one in processes:
            one.stop()
    assert points == [(19,)]
    assert asked(copy, "SELECT type, data FROM events_storedevent WHERE stream = %s", f"loyalty:{order}") == [
        ("loyalty.awarded", {"orderId": order, "points": 19})
    ]
    states = "SELECT subscriber, state FROM events_delivery WHERE subscriber = 'loyalty.award_points'"
    assert asked(copy, states) == [("loyalty.award_points", "done")]
    assert "loyalty.award_points" in said
    assert "-Q loyalty" in " ".join(processes[0].spec.argv)


def process(copy: Copy, logs: Path, name: str, command: list[str]) -> Process:
    program = [".venv/bin/python" if word == "python" else word for word in command]
    argv = ("sh", "-c", 'cd "$0" && exec "$@"', str(copy.folder), *program)
    return Process(ProcessSpec(name, argv, copy.environment), logs / f"{name}.log")


def asked(copy: Copy, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(copy.environment["DATABASE_URL"]) as connection:
        return connection.execute(statement, values).fetchall()
