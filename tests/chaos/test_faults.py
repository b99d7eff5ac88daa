"""A short run of the harness; `make chaos` is the long one. Each prints its seed and a table."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
OF_THE_STACK = {"DATABASE_URL", "BROKER_URL", "REDIS_URL", "ENVIRONMENT", "SECRET_KEY"}


def chaos(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in OF_THE_STACK}
    command = [sys.executable, "-m", "tests.chaos", "--orders", "40", *arguments]
    run = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_whatever_is_killed_flushed_or_cut_and_comes_twice():
    faults = [
        "flush valkey",
        "kill worker-calls",
        "kill web in mid-request",
        "restart postgres, fast",
    ]
    table = chaos("--doubled", *(argument for fault in faults for argument in ("--fault", fault)))
    assert all(fault in table for fault in faults)
