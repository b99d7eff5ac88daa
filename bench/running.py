"""Runs each contender as a program and collects the samples that it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.contenders import OURS, PEERS, PROGRAMS
from bench.plan import INPROCESS, Job
from bench.sample import Sample
from bench.scenarios import past_of
from bench.servers import Servers
from orderproject.stack.ports import HOST, free_port
from orderproject.stack.probes import answers_http
from orderproject.stack.processes import EXEC_WRAPPER, PROJECT, Process, ProcessSpec

PATIENCE = 1800.0
"""The maximum number of seconds for one program."""
TO_STOP = 20.0
THEIR_NAMES = {"throughput": "storm"}
RENAMED = {"drained_per_second": "per_second"}
NOT_INHERITED = {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "ENVIRONMENT", "DJANGO_SETTINGS_MODULE"}


class Failed(Exception):
    """A program failed. The message contains the last lines of its log."""


@dataclass(frozen=True)
class Runner:
    """Runs jobs. Logs and data go to `folder`."""

    servers: Servers
    folder: Path
    quick: bool = False

    def run(self, job: Job) -> Iterator[Sample]:
        """Runs a job; yields its samples as they arrive. Raises Failed."""
        database_url = self.servers.database(f"bench_{job.contender}".replace("-", "_"))
        log = self.folder / "logs" / f"{job.name}.log"
        first, _ = job.scenarios[0]
        if first in PROGRAMS:
            command = PROGRAMS[first].command(database_url, self.servers.redis_url, quick=self.quick)
            yield from self._program(command, log, job)
            return
        if job.contender == OURS:
            yield from self._program(self._ours(job, database_url), log, job)
            return
        with self._sandbox(job) as gateway_url:
            for scenario, orders in job.scenarios:
                peer = PEERS[job.contender]
                command = peer.command(scenario, orders, database_url, self.servers.redis_url, gateway_url)
                command += ["--quick"] if self.quick else []
                yield from self._program(command, log, job)

    def _ours(self, job: Job, database_url: str) -> list[str]:
        chosen = [part for name, orders in job.scenarios for part in ("--scenario", name, "--orders", str(orders))]
        servers = ("--database-url", database_url, "--redis-url", self.servers.redis_url)
        # A short name, because the length of socket paths is limited.
        data = tempfile.mkdtemp(prefix="ours-", dir=self.folder / "data")
        place = ("--gateway", job.gateway, "--data", data)
        past = max(past_of(name) for name, _ in job.scenarios)
        before = ("--past", str(past), "--admin-url", self.servers.postgres.admin_url) if past else ()
        return [sys.executable, "-m", "bench.ours", *chosen, *servers, *place, *before]

    @contextmanager
    def _sandbox(self, job: Job) -> Iterator[str]:
        if job.gateway == INPROCESS:
            yield INPROCESS
            return
        port = free_port()
        data = self.folder / "data" / job.name / "sandbox.sqlite3"
        argv = (sys.executable, "-m", "payments.sandbox", "--host", HOST, "--port", str(port), "--data", str(data))
        spec = ProcessSpec("sandbox", argv, _environment(), ready=answers_http(port, "/healthz"))
        process = Process(spec, self.folder / "logs" / f"{job.name}-sandbox.log")
        process.start()
        try:
            process.wait_ready()
            yield f"http://{HOST}:{port}"
        finally:
            process.stop()

    def _program(self, command: Sequence[str], log: Path, job: Job) -> Iterator[Sample]:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors, _started(command, errors.fileno()) as program:
            assert program.stdout is not None
            found = 0
            for line in program.stdout:
                if line.startswith(b"{"):
                    yield _named(msgspec.json.decode(line, type=Sample), job)
                    found += 1
                else:
                    errors.write(line)
                    errors.flush()
            code = program.wait(TO_STOP)
        if code or not found:
            raise Failed(f"{job.name} ended with code {code}; the last lines of {log}:\n{tail(log)}")


def _named(sample: Sample, job: Job) -> Sample:
    """The sample with our name of the scenario and its round, because peers use other names and no rounds."""
    scenario = THEIR_NAMES.get(sample.scenario, sample.scenario)
    orders = dict(job.scenarios).get(scenario)
    return msgspec.structs.replace(
        sample,
        scenario=scenario,
        round=job.round,
        figures={RENAMED.get(name, name): value for name, value in sample.figures.items()},
        settings={"orders": str(orders), **sample.settings} if orders else sample.settings,
    )


@contextmanager
def _started(command: Sequence[str], errors: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is stopped on a timeout and on an interrupt, and killed by the kernel if this process dies."""
    began = time.monotonic()
    launch = (sys.executable, "-I", "-S", str(EXEC_WRAPPER), str(os.getpid()), str(int(signal.SIGTERM)), "-")
    program = subprocess.Popen(
        [*launch, *command],
        cwd=PROJECT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    previous = signal.signal(signal.SIGALRM, lambda *_: program.terminate())
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield program
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if program.poll() is None:
            program.terminate()
            try:
                program.wait(TO_STOP)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        if time.monotonic() - began > PATIENCE:
            raise Failed(f"{' '.join(command[1:4])} took more than {PATIENCE:g} s and was stopped")


def _environment() -> Mapping[str, str]:
    """Our environment without the variables that name other servers."""
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


def tail(log: Path, lines: int = 30) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
