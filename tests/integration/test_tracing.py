"""Sending spans: after a fork, while the collector is away, and when a process ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from orderproject.stack.ports import free_port
from orderproject.stack.processes import PROJECT
from tests.otlp import collecting

pytestmark = pytest.mark.slow
FORKING = """
import os, sys
from events.tracing.spans import Kind, begin_root, end, shape
from orderproject.observability.tracing import start

start(sys.argv[1], "forking")
work = shape("work", Kind.SERVER)
end(begin_root(work))
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        end(begin_root(work))
        sys.exit()
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""
MANY = """
import logging, sys, time
from events.tracing.spans import Kind, begin_root, end, shape
from orderproject.observability import tracing

logging.basicConfig(level=logging.INFO, format="%(message)s")
tracing.TIMEOUT = 0.2  # so that many requests fail
tracing.start(sys.argv[1], "outage")
work = shape("work", Kind.SERVER)
began = time.monotonic()
for _ in range(tracing.MOST_HELD + 1000):
    end(begin_root(work))
took = time.monotonic() - began
time.sleep(0.7)
print("took", took, "until", time.monotonic())
"""


def run(program: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, url]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)


def test_each_process_of_a_fork_sends_its_own_spans():
    with collecting() as collector:
        run(FORKING, collector.url)
    assert len(collector.spans) == len({span.process for span in collector.spans}) == 3


def test_a_collector_that_is_away_costs_nothing_but_spans():
    """Nothing waits for it, the log says it once, and the process ends in time."""
    done = run(MANY, f"http://127.0.0.1:{free_port()}")
    after = time.monotonic()  # of the same clock: it is the system's
    _, took, _, until = done.stdout.splitlines()[-1].split()
    assert float(took) < 3, "a span waited for the collector"
    assert after - float(until) < 3, "the end of the process waited for the collector"
    said = done.stderr + done.stdout
    assert said.count("the collector takes no spans") == 1
    assert "opentelemetry" not in said
    assert "Traceback" not in said
