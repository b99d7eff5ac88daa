import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.ports import HOST
from orderproject.stack.processes import Process, ProcessSpec
from orderproject.stack.secrets import kept_secret
from orderproject.stack.servers import binaries
from orderproject.stack.servers.folders import own_folder
from orderproject.stack.servers.identity import Identity, server_identity
from orderproject.stack.servers.stale_postgres import stop_stale_server

DATABASE = "orders"
APP = "app"
ADMIN = "postgres"
# Excludes the caller's environment, because its PGDATA or PGPORT would affect our server.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
ENCODING = ("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class EmbeddedPostgres:
    """A PostgreSQL cluster with the database `orders`. Its owner `app` can also create databases."""

    def __init__(
        self, data_dir: Path, port: int, settings: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.log = log or self.data_dir.with_name("postgres.log")
        program = binaries.postgres_program("postgres")
        self.identity = server_identity(program, self.data_dir)
        own_folder(self.data_dir, self.identity)
        options = [part for name, value in (settings or {}).items() for part in ("-c", f"{name}={value}")]
        address = ("-h", HOST, "-p", str(port), "-k", "")
        spec = ProcessSpec(
            name="postgres",
            argv=(str(program), "-D", str(self._cluster), *address, *options),
            env=ENVIRONMENT,
            ready=lambda _: self._accepts(),
            # A fast shutdown; SIGTERM would wait until every client disconnects.
            stop_signal=signal.SIGINT,
            stop_timeout=8.0,
            death_signal=signal.SIGINT,
            identity=self.identity,
        )
        self.process = Process(spec, self.log)

    @property
    def url(self) -> str:
        return self._url(APP, "app-password", DATABASE)

    @property
    def admin_url(self) -> str:
        """The superuser's URL, for tests that manage the server."""
        return self._url(ADMIN, "admin-password", "postgres")

    def start(self) -> None:
        """Creates a missing cluster, starts the server and waits until it is ready, also after a crash."""
        self.prepare()
        self.process.start()
        self.process.wait_ready(timeout=60)
        self.create_database()

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def prepare(self) -> None:
        """Creates the cluster or stops a stale server. Call it before every start of the process."""
        if (self._cluster / "PG_VERSION").exists():
            stop_stale_server(self._cluster)
        else:
            self._create_cluster()

    def create_database(self) -> None:
        """Creates the role and the database if they are missing. The server must be running."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            if not _found(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", APP):
                self._create_role(connection)
            if not _found(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(statement.format(sql.Identifier(DATABASE), sql.Identifier(APP)))

    def _create_role(self, connection: psycopg.Connection) -> None:
        role, password = sql.Identifier(APP), sql.Literal(self._secret("app-password"))
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, password))
            connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(role))

    def _create_cluster(self) -> None:
        """Creates the cluster in a temporary folder and renames it, so that an interrupted creation is never used."""
        draft = self.data_dir / "cluster.new"
        if draft.exists():
            shutil.rmtree(draft)
        self._secret("admin-password")
        secret = str(self.data_dir / "admin-password")
        login = ("-U", ADMIN, "--auth=scram-sha-256", "--pwfile", secret)
        program = str(binaries.postgres_program("initdb"))
        argv = (program, "-D", str(draft), *login, *ENCODING, "--no-sync")
        initdb = Process(ProcessSpec("initdb", argv, ENVIRONMENT, identity=self.identity), self.log)
        initdb.start()
        finished = initdb.wait(timeout=60)
        if not finished or initdb.returncode != 0:
            initdb.kill()
            raise ProcessFailed(
                f"PostgreSQL could not create its data in {draft}. The last lines of its log:\n{initdb.log_tail()}"
            )
        draft.rename(self._cluster)

    def _accepts(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.admin_url, connect_timeout=2):
            return True
        return False

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    def _url(self, role: str, secret: str, database: str) -> str:
        return f"postgres://{role}:{self._secret(secret)}@{HOST}:{self.port}/{database}"

    def _secret(self, name: str) -> str:
        return kept_secret(self.data_dir / name, _owner(self.identity))


def _owner(identity: Identity | None) -> tuple[int, int] | None:
    return (identity.uid, identity.gid) if identity else None


def _found(connection: psycopg.Connection, query: str, value: str) -> bool:
    return connection.execute(query, (value,)).fetchone() is not None
