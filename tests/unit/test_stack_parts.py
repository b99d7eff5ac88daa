"""The parts of the stack that need no process."""

import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orderproject.stack import logs
from orderproject.stack.configuration import from_environment
from orderproject.stack.deployment import Deployment
from orderproject.stack.errors import Misconfigured, UnreachableFiles
from orderproject.stack.ports import HOST, free_port, is_free
from orderproject.stack.process_specs import waves
from orderproject.stack.secrets import kept_secret
from orderproject.stack.servers import identity
from orderproject.stack.streams import brokers
from orderproject.stack.supervisor import STOP_WITHIN


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(
        data=tmp_path,
        database_url="postgres://app:it's@127.0.0.1:1/orders",
        broker_url="redis://127.0.0.1:2/0",
        redis_url="redis://127.0.0.1:2/0",
        secret_key="s",
        port=8000,
        sandbox_port=8090,
        flower_port=5555,
    )


def test_what_the_environment_leaves_open_has_a_default() -> None:
    configuration = from_environment({})
    assert configuration.ports == {"PORT": 8000, "SANDBOX_PORT": 8090, "FLOWER_PORT": 5555}
    assert configuration.data.parts[-2:] == ("var", "stack")
    assert configuration.demo
    assert not from_environment({"DEMO": "0"}).demo


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1", "8000.5"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(Misconfigured, match=r"^FLOWER_PORT is .* such as 5555"):
        from_environment({"FLOWER_PORT": port})


def test_one_port_for_two_is_refused() -> None:
    with pytest.raises(Misconfigured, match="three different ports"):
        from_environment({"PORT": "5555"})


def test_the_brokers_to_publish_to_are_started_unless_they_have_an_address() -> None:
    environment = {"STREAMS": "kafka, rabbitmq", "STREAMS_RABBITMQ_URL": "amqp://mq//"}
    assert from_environment(environment).streams == {"kafka": "", "rabbitmq": "amqp://mq//"}
    assert from_environment({"STREAMS_RABBITMQ_URL": "amqp://mq//"}).streams == {}


def test_a_broker_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Misconfigured, match="^STREAMS is 'nats'. Set it to kafka or rabbitmq"):
        from_environment({"STREAMS": "nats"})


def test_a_broker_that_is_not_installed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where no port mapper is
    found = brokers({"rabbitmq": "", "kafka": "mq:9092"}, tmp_path, lambda name: tmp_path / name)
    assert (found.addresses, found.children) == ({"kafka": "mq:9092"}, [])
    assert "make rabbitmq" in capsys.readouterr().out


def test_publisher_and_receiver_run_beside_the_relay_if_there_is_a_broker(deployment: Deployment) -> None:
    publishing = replace(deployment, streams={"rabbitmq": "amqp://mq//"})
    assert ["relay", "publisher", "receiver"] in [[spec.name for spec in wave] for wave in waves(publishing)]
    told = publishing.variables()
    assert told["STREAMS_RABBITMQ_URL"] == told["INBOX_RABBITMQ_URL"] == "amqp://mq//"
    assert told["INBOX_RABBITMQ_QUEUES"] == "carrier=carrier.tracking"
    assert "INBOX_KAFKA_TOPICS" not in told


def test_a_port_in_use_is_not_free() -> None:
    port = free_port()
    with socket.create_server((HOST, port)):
        assert not is_free(port)
    assert is_free(port)


def test_a_secret_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    secret = kept_secret(file)
    assert len(secret) >= 50
    assert kept_secret(file) == secret
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_log_is_set_aside_at_the_start_and_cut_when_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10)
    log = tmp_path / "web.log"
    with log.open("a") as writer:
        for word, kept in (("short", "short"), (" and longer", ""), ("next", "next")):
            writer.write(word)
            writer.flush()
            logs.limit_size(log)
            assert log.read_text() == kept
    assert (tmp_path / "web.log.1").read_text() == "short and longer"
    logs.rotate(log)
    assert not log.exists()
    assert (tmp_path / "web.log.1").read_text() == "next"


def test_a_shell_reads_the_variables_as_they_are(deployment: Deployment) -> None:
    file = deployment.write_variables()
    assert file.stat().st_mode & 0o777 == 0o600
    command = ["/bin/sh", "-c", '. "$0"; printf %s "$DATABASE_URL"', str(file)]
    assert subprocess.check_output(command, text=True) == deployment.database_url


def test_all_waves_leave_postgres_time_to_stop(deployment: Deployment) -> None:
    longest = sum(max(spec.stop_timeout for spec in wave) for wave in waves(deployment))
    assert longest <= STOP_WITHIN - 1
    assert STOP_WITHIN < 15


def test_the_order_of_stopping(deployment: Deployment) -> None:
    stopped = [[spec.name for spec in wave] for wave in reversed(waves(deployment))]
    assert stopped == [
        ["flower"],
        ["beat"],
        ["relay"],
        ["worker-core", "worker-calls", "worker-network"],
        ["web", "live"],
        ["front"],
        ["sandbox"],
    ]


def test_every_process_listens_on_the_loopback_address_alone(deployment: Deployment) -> None:
    for wave in waves(deployment):
        for spec in wave:
            assert "0.0.0.0" not in " ".join(spec.argv)  # noqa: S104


@pytest.mark.parametrize(
    ("held", "mode", "capability"),
    [
        ({identity.CAP_DAC_READ_SEARCH, identity.CAP_DAC_OVERRIDE}, 0o755, identity.CAP_DAC_READ_SEARCH),
        ({identity.CAP_DAC_OVERRIDE}, 0o755, identity.CAP_DAC_OVERRIDE),
        ({identity.CAP_DAC_READ_SEARCH, identity.CAP_DAC_OVERRIDE}, 0o700, identity.CAP_DAC_OVERRIDE),
    ],
)
def test_the_least_capability_that_opens_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: set[int], mode: int, capability: int
) -> None:
    program = closed_program(tmp_path, mode)
    monkeypatch.setattr(identity, "permitted_capabilities", lambda: sum(1 << number for number in held))
    assert identity.capability_to_reach(program, tmp_path / "data") == capability


def test_no_capability_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = closed_program(tmp_path, 0o755)
    monkeypatch.setattr(identity, "permitted_capabilities", lambda: 0)
    with pytest.raises(UnreachableFiles, match=r"chmod o\+x"):
        identity.capability_to_reach(program, tmp_path / "data")


def closed_program(folder: Path, mode: int) -> Path:
    closed = folder / "closed"
    closed.mkdir()
    program = closed / "postgres"
    program.touch(mode)
    program.chmod(mode)
    closed.chmod(0o700)
    return program
