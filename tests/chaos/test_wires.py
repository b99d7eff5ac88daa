"""A short run at each wire; `python -m tests.chaos.wires --faults 200` is the long one."""

import os
import subprocess
import sys

import pytest

from tests.chaos.test_faults import OF_THE_STACK, PROJECT
from tests.integration.wires import NEEDED

KINDS = ["kill a publisher", "freeze a publisher beyond its lease", "the network stands still", "answers are lost"]
OF_THE_BROKER = {
    "kafka": ["freeze the broker", "connections break"],
    "rabbitmq": ["kill the broker", "the disk is full"],
}
pytestmark = [pytest.mark.slow, *NEEDED]


@pytest.mark.parametrize("wire", ["kafka", "rabbitmq"])
def test_no_event_is_missing_or_overtaken_whatever_happens_at_the_wire(wire: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in OF_THE_STACK}
    kinds = [*KINDS, *OF_THE_BROKER[wire]]
    chosen = [argument for kind in kinds for argument in ("--fault", kind)]
    command = [sys.executable, "-m", "tests.chaos.wires", "--wire", wire, "--faults", str(len(kinds)), *chosen]
    run = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{wire}: {len(kinds)} faults" in run.stdout
    assert "0 gaps, 0 inversions" in run.stdout
