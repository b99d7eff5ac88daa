"""The rules between packages: that they hold, and that each would notice who breaks it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orderproject.applications import PACKAGES
from orderproject.stack.processes import PROJECT

LINT = Path(sys.executable).with_name("lint-imports")


def lint(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(LINT), "--no-logo", "--no-cache", *options]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_the_contracts_hold() -> None:
    outcome = lint(PROJECT)
    assert outcome.returncode == 0, outcome.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's code, to be spoilt."""
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("contract", "module", "imported"),
    [
        ("packages", "web/typed.py", "events.errors"),
        ("packages", "desk/audit.py", "orders.events"),
        ("events", "events/declare/money.py", "sagas.plan"),
        ("inside-events", "events/declare/money.py", "events.delivery.relay"),
        ("inside-events", "events/log/fold.py", "events.replay.rebuild"),
        ("inside-sagas", "sagas/plan.py", "sagas.definition"),
        ("inside-sagas", "sagas/start.py", "sagas.saga"),
        ("inside-the-engine", "sagas/engine/steps.py", "sagas.engine.cohorts"),
        ("pure", "sagas/engine/decide.py", "events.db.query"),
        ("events", "events/delivery/relay.py", "orders.events"),
        ("sagas", "sagas/plan.py", "orders.models"),
        ("services", "orders/services.py", "inventory.models"),
        ("services", "orders/services.py", "payments.steps"),
        ("services", "notifications/services.py", "orders.selectors"),
        ("project", "orders/models.py", "orderproject.models"),
        ("facts", "orders/events.py", "orders.models"),
        ("product", "orders/models.py", "tests.stackrun"),
        ("product", "orders/models.py", "bench"),
        ("testing", "orders/services.py", "events.testing"),
        ("testing", "events/delivery/relay.py", "events.testing.draining"),
        ("testing", "sagas/plan.py", "sagas.testing"),
        ("pytest", "events/testing/draining.py", "pytest"),
    ],
)
def test_a_contract_notices(copy: Path, contract: str, module: str, imported: str) -> None:
    with (copy / module).open("a") as source:
        source.write(f"\nimport {imported}\n")
    outcome = lint(copy, "--contract", contract)
    assert outcome.returncode == 1, outcome.stdout
    assert "BROKEN" in outcome.stdout
