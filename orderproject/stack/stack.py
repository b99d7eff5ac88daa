"""Starts the stack: servers, schema, catalogue, processes, sample orders."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orderproject.stack import process_specs
from orderproject.stack.configuration import Configuration
from orderproject.stack.deployment import Deployment
from orderproject.stack.errors import PortTaken
from orderproject.stack.lock import locked
from orderproject.stack.logs import rotate
from orderproject.stack.ports import HOST, becomes_free, free_port
from orderproject.stack.processes import Process, ProcessSpec
from orderproject.stack.restarting import Child
from orderproject.stack.secrets import kept_secret
from orderproject.stack.servers.folders import private
from orderproject.stack.servers.postgres import EmbeddedPostgres
from orderproject.stack.servers.valkey import EmbeddedValkey
from orderproject.stack.streams import TITLES, Brokers, brokers
from orderproject.stack.supervisor import StopRequested, Supervisor
from orderproject.stack.terminal import say

READY_WITHIN = 120.0


@dataclass(frozen=True)
class ProcessTable:
    """The processes that the stack runs besides the servers. Tests of the stack use a smaller table."""

    preparation: Callable[[Deployment], ProcessSpec] = process_specs.preparation
    waves: Callable[[Deployment], process_specs.Waves] = process_specs.waves
    demonstration: Callable[[Deployment], ProcessSpec] = process_specs.demonstration
    opening: Callable[[Deployment], ProcessSpec] = process_specs.opening


class Stack:
    def __init__(self, configuration: Configuration, processes: ProcessTable | None = None) -> None:
        self.configuration = configuration
        self.table = processes or ProcessTable()
        self.supervisor = Supervisor()
        self.logs = configuration.data / "logs"
        self.brokers = Brokers()

    def run(self) -> None:
        """Runs the stack until SIGINT, SIGTERM or SIGHUP. Raises StackError if it cannot."""
        self.supervisor.listen()
        refuse_taken_ports(self.configuration.ports)
        with locked(self.configuration.data), private(self.configuration.data):
            try:
                with suppress(StopRequested):
                    self._serve()
                say("Stopping …")
            finally:
                self.supervisor.stop()
                (self.configuration.data / "environment").unlink(missing_ok=True)
            say("Stopped.")

    def _serve(self) -> None:
        began = time.monotonic()
        self._make_folders()
        at = self._start_servers()
        at.write_variables()
        for wave in self.table.waves(at):
            self.supervisor.add([Child(self._process(spec)) for spec in wave])
        say("Preparing the schema and the catalogue …")
        self.supervisor.start(lambda spec: not spec.needs_schema)
        self.supervisor.prepare(self._process(self.table.preparation(at)))
        say("Starting the processes …")
        self.supervisor.start()
        self.supervisor.await_ready(READY_WITHIN)
        self.supervisor.never_give_up()
        say(f"Ready after {time.monotonic() - began:.1f} s.")
        if at.streams:
            self._open_streams(at)
        if self.configuration.demo:
            self._show(at)
        say(welcome(at, self.brokers))
        self.supervisor.serve()

    def _make_folders(self) -> None:
        for folder in (self.logs, self.configuration.data / "mail"):
            folder.mkdir(mode=0o700, exist_ok=True)

    def _start_servers(self) -> Deployment:
        """Starts the servers that the configuration does not replace, concurrently."""
        given = self.configuration
        postgres = None if given.database_url else self._postgres()
        valkey = None if given.broker_url and given.redis_url else self._valkey()
        self.supervisor.start()
        self.supervisor.await_ready(READY_WITHIN)
        if postgres:
            postgres.create_database()
            secret = postgres.data_dir / "app-password"
            say(f"PostgreSQL  {HOST}:{postgres.port}, user app, password in {secret}")
        if valkey:
            say(f"Valkey      {HOST}:{valkey.port}, password in {valkey.data_dir / 'password'}")
        self._make_brokers()
        return Deployment(
            data=given.data,
            database_url=postgres.url if postgres else given.database_url,
            broker_url=given.broker_url or (valkey.url if valkey else ""),
            redis_url=given.redis_url or (valkey.url if valkey else ""),
            secret_key=given.secret_key or kept_secret(given.data / "secret-key"),
            port=given.port,
            sandbox_port=given.sandbox_port,
            flower_port=given.flower_port,
            streams=self.brokers.addresses,
        )

    def _postgres(self) -> EmbeddedPostgres:
        log = self._fresh_log("postgres")
        server = EmbeddedPostgres(self.configuration.data / "postgres", free_port(), log=log)
        self.supervisor.add([Child(server.process, before_start=server.prepare)])
        return server

    def _valkey(self) -> EmbeddedValkey:
        server = EmbeddedValkey(self.configuration.data / "valkey", free_port(), log=self._fresh_log("valkey"))
        self.supervisor.add([Child(server.process)])
        return server

    def _make_brokers(self) -> None:
        """They start while the schema is prepared, because RabbitMQ needs several seconds."""
        self.brokers = brokers(self.configuration.streams, self.configuration.data, self._fresh_log)
        self.supervisor.add(self.brokers.children)

    def _process(self, spec: ProcessSpec) -> Process:
        return Process(spec, self._fresh_log(spec.name))

    def _fresh_log(self, name: str) -> Path:
        log = self.logs / f"{name}.log"
        rotate(log)
        return log

    def _open_streams(self, at: Deployment) -> None:
        opening = self._process(self.table.opening(at))
        if code := self.supervisor.run(opening):
            say(f"The publishers could not be started (code {code}); the stack keeps running. See {opening.log}.")

    def _show(self, at: Deployment) -> None:
        say()
        code = self.supervisor.run(Process(self.table.demonstration(at)))
        if code:
            say(f"The sample orders failed with code {code}; the stack keeps running.")


def refuse_taken_ports(ports: dict[str, int]) -> None:
    for name, port in ports.items():
        if not becomes_free(port, within=2.0):
            raise PortTaken(
                f"Port {port} on {HOST} is in use. End the process that listens there, or set {name} to another port."
            )


def welcome(at: Deployment, streams: Brokers) -> str:
    published = "".join(f"  {TITLES[name]:<10} {text}\n" for name, text in streams.shown.items())
    return f"""
  Shop API   {at.url}/api/v1/docs/
  Admin      {at.url}/admin/   (admin / admin)
  Flower     {at.flower_url}/   (behind the admin's log-in)
  Sandbox    {at.sandbox_url}/
  Mail       {at.mail}
  Logs       {at.logs}
{published}
Serving until Ctrl-C.
"""
