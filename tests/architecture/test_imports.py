"""The rules between packages: that they hold, and that each would notice who breaks it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orderproject.stack.processes import PROJECT

LINT = Path(sys.executable).with_name("lint-imports")
PACKAGES = ("events", "sagas", "orders", "inventory", "payments", "notifications", "orderproject")


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
        ("events", "events/money.py", "sagas.plan"),
        ("events", "events/relay.py", "orders.events"),
        ("sagas", "sagas/plan.py", "orders.models"),
        ("services", "orders/services.py", "inventory.models"),
        ("services", "orders/services.py", "payments.steps"),
        ("services", "notifications/services.py", "orders.selectors"),
        ("project", "orders/models.py", "orderproject.models"),
        ("facts", "orders/events.py", "orders.models"),
        ("product", "orders/models.py", "tests.stackrun"),
        ("product", "orders/models.py", "bench"),
    ],
)
def test_a_contract_notices(copy: Path, contract: str, module: str, imported: str) -> None:
    with (copy / module).open("a") as source:
        source.write(f"\nimport {imported}\n")
    outcome = lint(copy, "--contract", contract)
    assert outcome.returncode == 1, outcome.stdout
    assert "BROKEN" in outcome.stdout
