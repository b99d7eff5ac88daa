"""The benchmark itself, with a few orders: it starts everything, measures, reconciles and writes its page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.sample import load
from orderproject.stack.processes import PROJECT
from tests.stackrun import outside_of_tests

ORDERS = 50


@pytest.mark.slow
def test_a_quick_storm_of_ours_reconciles(tmp_path: Path):
    arguments = ("storm", "--quick", "--rounds", "1", "--orders", str(ORDERS), "--contender", "ours")
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--cores", str(len(os.sched_getaffinity(0)))],
        cwd=PROJECT,
        env=outside_of_tests() | {"BENCH_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (sample,) = load(tmp_path / "samples.jsonl")
    assert (sample.scenario, sample.contender, sample.problems) == ("storm", "ours", [])
    assert sample.figures["per_second"] > 0
    assert sample.figures["cpu_ms_per_order_worker_core"] > 0
    assert "Storm" in (tmp_path / "QUICK.md").read_text()
