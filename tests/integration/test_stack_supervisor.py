"""The stack over real servers, with stand-ins for the processes that need the whole project."""

import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis

from tests.stackrun import StackRun, parents_of_all, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")

PROGRAM = ("-m", "tests.integration.fake_stack")
READY = "Serving until Ctrl-C"


def test_it_serves_stops_in_order_and_leaves_nothing(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM, "web:parent", "worker:steady", "flower:steady") as stack:
        stack.says(READY)
        assert "a sample order" in stack.output
        processes = stack.descendants()
        assert len(processes) > 5

        began = time.monotonic()
        stack.signal(signal.SIGINT)

        assert stack.ends() == 0
        assert time.monotonic() - began < 15
        assert stack.lines[-1] == "Stopped."
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes == ["flower served", "worker served", "web served"]
    assert not processes & set(parents_of_all())


def test_ctrl_c_in_a_terminal_reaches_the_stack_alone_so_that_the_order_holds(tmp_path: Path) -> None:
    """A terminal sends it to the whole group of processes; each child has a session of its own."""
    with StackRun(tmp_path, *PROGRAM, "web:parent", "worker:steady", "flower:steady") as stack:
        stack.says(READY)
        os.killpg(stack.pid, signal.SIGINT)
        assert stack.ends() == 0
    assert (tmp_path / "notes").read_text().splitlines() == ["flower served", "worker served", "web served"]


def test_a_stack_that_a_shell_put_in_the_background_ends_by_sigint_too(tmp_path: Path) -> None:
    """A shell's `&` has SIGINT ignored, and what is ignored stays so over an exec."""
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with StackRun(tmp_path, "-c", ignoring, *PROGRAM, "worker:steady") as stack:
        stack.says(READY)
        processes = stack.descendants()
        stack.signal(signal.SIGINT)
        assert stack.ends() == 0
    assert (tmp_path / "notes").read_text().splitlines() == ["worker served"]
    assert not processes & set(parents_of_all())


def test_data_survive_a_restart(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM) as stack:
        stack.says(READY)
        write(stack)
        secret = stack.variable("SECRET_KEY")
        stack.signal(signal.SIGTERM)
        assert stack.ends() == 0
    with StackRun(tmp_path, *PROGRAM) as stack:
        stack.says(READY)
        assert read(stack) == ("kept", "kept")
        assert stack.variable("SECRET_KEY") == secret


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM, "web:parent", "worker:steady") as stack:
        stack.says(READY)
        write(stack)

        for name, command in {
            "worker": "worker steady",
            "postgres": "postgres -D",
            "valkey": "valkey-server",
        }.items():
            before = stack.child(command)
            os.kill(before, signal.SIGKILL)
            stack.says(f"{name} was ended by SIGKILL. Restarting it in 0.5 s")
            until(partial(runs_anew, stack, before, command), within=10)

        until(lambda: read_or_none(stack) is not None, within=20)
        # Its file is synced every second, so what was written before that is there.
        assert read(stack) == ("kept", "kept")


def test_nothing_is_left_after_kill_9_and_the_next_start_finds_its_data(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM, "web:parent", "worker:steady") as stack:
        stack.says(READY)
        write(stack)
        time.sleep(1.1)  # Valkey syncs its file every second
        processes = stack.descendants()
        stack.signal(signal.SIGKILL)
        stack.ends()
        until(lambda: not processes & set(parents_of_all()), within=5)
    with StackRun(tmp_path, *PROGRAM) as stack:
        stack.says(READY)
        assert read(stack) == ("kept", "kept")


def test_a_lock_file_whose_process_is_another_by_now_does_not_matter(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM) as stack:
        stack.says(READY)
        stack.signal(signal.SIGTERM)
        stack.ends()
    lock = tmp_path / "postgres" / "cluster" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1\n1\n\n127.0.0.1\n1 1\n")
    with StackRun(tmp_path, *PROGRAM) as stack:
        stack.says(READY)


def test_a_stubborn_process_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM, "web:stubborn", "worker:stubborn") as stack:
        stack.says(READY)
        processes = stack.descendants()
        began = time.monotonic()
        stack.signal(signal.SIGTERM)
        assert stack.ends() == 0
        assert 4 <= time.monotonic() - began < 15
    assert not processes & set(parents_of_all())


def test_a_second_signal_ends_all_patience(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM, "web:stubborn", "worker:stubborn") as stack:
        stack.says(READY)
        stack.signal(signal.SIGINT)
        stack.says("Stopping")
        stack.signal(signal.SIGINT)
        began = time.monotonic()
        assert stack.ends() == 0
        assert time.monotonic() - began < 2


def test_a_process_that_cannot_run_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM, "worker:broken") as stack:
        assert stack.ends(within=40) == 1
    assert "worker ended with code 1, 5 times in a row" in stack.output
    assert "nothing works without the flux capacitor" in stack.lines[-1]


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with StackRun(tmp_path / "data", *PROGRAM, FLOWER_PORT=port) as stack:
            assert stack.ends() == 1
    assert f"Port {port} on 127.0.0.1 is in use" in stack.output
    assert "set FLOWER_PORT to another port" in stack.output
    assert not (tmp_path / "data").exists()


def test_a_second_stack_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with StackRun(tmp_path, *PROGRAM) as first:
        first.says(READY)
        with StackRun(tmp_path, *PROGRAM) as second:
            assert second.ends() == 1
        assert f"Another stack (process {first.pid}) already uses {tmp_path}" in second.output
        assert "STACK_DATA_DIR=" in second.output


def test_servers_given_from_outside_are_used(tmp_path: Path) -> None:
    given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "BROKER_URL")}
    with StackRun(tmp_path, *PROGRAM, DEMO="0", **given) as stack:
        stack.says(READY)
        assert not stack.descendants()
        assert stack.variable("DATABASE_URL") == given["DATABASE_URL"]
        assert "a sample order" not in stack.output


def write(stack: StackRun) -> None:
    with psycopg.connect(stack.variable("DATABASE_URL"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'kept' AS word")
    redis.Redis.from_url(stack.variable("REDIS_URL")).set("word", "kept")


def read(stack: StackRun) -> tuple[object, object]:
    with psycopg.connect(stack.variable("DATABASE_URL")) as connection:
        row = connection.execute("SELECT word FROM kept").fetchone()
    word = redis.Redis.from_url(stack.variable("REDIS_URL"), decode_responses=True).get("word")
    assert row
    return row[0], word


def read_or_none(stack: StackRun) -> tuple[object, object] | None:
    try:
        return read(stack)
    except (psycopg.OperationalError, redis.ConnectionError):
        return None


def runs_anew(stack: StackRun, before: int, command: str) -> bool:
    try:
        return stack.child(command) != before
    except StopIteration:
        return False
