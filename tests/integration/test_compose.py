"""docker-compose.yml, Dockerfile and .env.example agree with each other, with the settings and with the stack."""

import json
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from events.declare.queues import declared_queues
from orderproject.applications import PACKAGES
from orderproject.stack import process_specs
from orderproject.stack.deployment import Deployment
from orderproject.stack.processes import PROJECT
from orderproject.stack.servers.front import START
from tests.integration import composefile
from tests.integration.composefile import Missing, Service, interpolated, ours, raw

SCHEMA = Path(__file__).with_name("compose-spec") / "schema.json"
EXAMPLE = (PROJECT / ".env.example").read_text()
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
SETTINGS = "".join((PROJECT / "orderproject" / name).read_text() for name in ("environment.py", "settings.py"))
SERVICES = raw()["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
SCALED = [name for name in OURS if name.startswith("worker-") or name in {"web", "relay"}]
# Read by Celery, Flower, the sandbox, the heartbeat and nginx, and not by the settings.
OTHER_VARIABLES = {
    "REMAP_SIGTERM",
    "FLOWER_BASIC_AUTH",
    "SANDBOX_API_KEY",
    "HEARTBEAT_DIR",
    "CONNECTION_LIMIT",
    "STREAM_LIMIT",
}


def variables_of_settings() -> set[str]:
    return set(re.findall(r"\b(?:env(?:\.\w+)?|secret|server|outside|hosts)\(\s*\"(\w+)\"", SETTINGS))


def variables_of_example() -> set[str]:
    return set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))


def required() -> dict[str, str]:
    """What a user must fill in, filled in."""
    return {name: f"given-{name.lower()}" for name in re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)}


# --- The file ----------------------------------------------------------------------------------------------


def test_it_follows_the_compose_specification() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in validator.iter_errors(interpolated(required()))] == []


def test_what_the_example_asks_for_is_enough() -> None:
    assert all("${" not in value for service in ours(required()).values() for value in service.environment.values())


@pytest.mark.parametrize("name", sorted(required()))
def test_without_it_nothing_starts_and_the_reason_is_told(name: str) -> None:
    with pytest.raises(Missing, match=rf"^set {name} in \.env"):
        interpolated(required() | {name: ""})


def test_no_secret_has_a_default() -> None:
    secrets = {name for name in composefile.variables() if re.search("KEY|PASSWORD|AUTH|TOKEN", name)}
    optional = {"RABBITMQ_PASSWORD", "GRAFANA_PASSWORD", "SECRET_KEY_FALLBACKS"}
    assert secrets - required().keys() == optional
    assert all(f"${{{name}:-}}" in composefile.FILE.read_text() for name in optional)


def test_dependencies_volumes_and_profiles_resolve() -> None:
    volumes = raw()["volumes"].keys()
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            check = SERVICES[needed]["healthcheck"]
            if how["condition"] == "service_healthy":
                assert "test" in check, f"{name} waits for the health of {needed}, which nobody checks"
            else:
                assert how["condition"] == "service_completed_successfully", name
                assert SERVICES[needed]["restart"] == "no", f"{name} waits for the end of {needed}"
            optional = set(SERVICES[needed].get("profiles", [])) - set(service.get("profiles", []))
            assert not optional or how.get("required") is False, f"{name} needs {needed}, which is optional"
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in volumes or (name, volume) == ("node-exporter", "/:/host:ro,rslave"), name


def test_every_service_is_confined_and_watched() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] or name in {"rabbitmq", "kafka"}, name
        assert "test" in service["healthcheck"] or name in {"migrate", "collector"}, name
        assert "privileged" not in service, name


def test_servers_run_as_users_of_their_own_and_keep_their_data_in_volumes() -> None:
    assert {name: service["user"] for name, service in SERVICES.items() if "build" not in service} == {
        "postgres": "postgres",
        "redis": "redis",
        "rabbitmq": "rabbitmq",
        "kafka": "appuser",
        "front": "nginx",
        "prometheus": "nobody",
        "alertmanager": "nobody",
        "node-exporter": "nobody",
        "grafana": "grafana",
        "collector": "10001",
        "jaeger": "10001",
    }
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    for option in ("--appendonly yes", "--maxmemory-policy noeviction"):
        assert option in SERVICES["redis"]["command"][-1]


@pytest.mark.parametrize("name", SCALED)
def test_it_can_be_scaled(name: str) -> None:
    service = SERVICES[name]
    assert "container_name" not in service
    assert "hostname" not in service
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+-\d+:\d+", port), f"{port} can be bound once only"


def test_nothing_is_open_to_the_network() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    watching = {"prometheus", "alertmanager", "grafana", "jaeger"}
    assert ports.keys() == {"front", "rabbitmq", "kafka", *watching}
    assert all(port.startswith("127.0.0.1:") for of_one in ports.values() for port in of_one)


def test_kafka_gives_each_client_the_address_at_which_it_can_be_reached() -> None:
    """Clients use the address that the server names, not the one by which they came."""
    settings = SERVICES["kafka"]["environment"]
    named = dict(one.split("://") for one in settings["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert named == {"INSIDE": "kafka:9092", "OUTSIDE": "127.0.0.1:9094"}
    assert f"OUTSIDE://:{SERVICES['kafka']['ports'][0].rpartition(':')[2]}" in settings["KAFKA_LISTENERS"]
    assert "STREAMS_KAFKA_BOOTSTRAP_SERVERS" in EXAMPLE
    assert named["INSIDE"] in EXAMPLE


def test_the_front_starts_what_the_stack_starts() -> None:
    files = {name: PROJECT / one["file"] for name, one in raw()["configs"].items()}
    mounted = {one["target"]: files[one["source"]] for one in SERVICES["front"]["configs"]}
    assert SERVICES["front"]["command"] == ["sh", "/front/front.sh"]
    assert mounted == {"/front/front.sh": START, "/front/nginx.conf": START.with_name("nginx.conf")}
    assert all(file.exists() for file in mounted.values())


# --- Against the settings ----------------------------------------------------------------------------------


def test_the_example_explains_every_variable() -> None:
    assert variables_of_settings() <= variables_of_example(), "add it to .env.example"
    assert composefile.variables() <= variables_of_example(), "add it to .env.example"
    assert variables_of_example() <= variables_of_settings() | composefile.variables() | OTHER_VARIABLES


def test_what_the_example_sets_for_shells_does_not_reach_a_container() -> None:
    set_there = set(re.findall(r"^([A-Z_]+)=.+$", EXAMPLE, re.MULTILINE))
    assert set_there == {"ENVIRONMENT", "DATABASE_URL", "REDIS_URL"}
    assert set_there & composefile.variables() == set()
    assert all(
        service.environment.get("ENVIRONMENT", "production") == "production" for service in ours(required()).values()
    )


def test_every_variable_given_is_read() -> None:
    given = {name for service in ours(required()).values() for name in service.environment}
    assert given <= variables_of_settings() | OTHER_VARIABLES


def test_every_variable_of_the_settings_can_be_given() -> None:
    # These mean nothing in a container.
    assert variables_of_settings() - ours(required())["web"].environment.keys() <= {"MAIL_DIR", "STATIC_ROOT", "DEBUG"}


def test_the_defaults_are_those_of_the_settings() -> None:
    given = ours(required())["web"].environment
    defaults = dict(re.findall(r"env\.(?:int|float)\(\"(\w+)\", default=([\d.]+)\)", SETTINGS))
    shared = defaults.keys() & given.keys()
    assert {name: float(given[name]) for name in shared} == {name: float(defaults[name]) for name in shared}


# --- Against the one-command stack -------------------------------------------------------------------------


@pytest.fixture
def stack(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    """The command lines of its processes, without the interpreter in front."""
    at = Deployment(tmp_path, "", "", "redis://127.0.0.1:9/0", "", 1, 2, 3)
    return {spec.name: spec.argv for wave in process_specs.waves(at) for spec in wave}


def test_the_same_processes_run(stack: dict[str, tuple[str, ...]]) -> None:
    kinds = {name.partition("-")[0] for name in stack}
    assert kinds == {name.partition("-")[0] for name in [*OURS, "front"]} - {"migrate", "publisher", "receiver"}


def test_every_queue_has_a_worker_with_the_pool_of_the_stack(stack: dict[str, tuple[str, ...]]) -> None:
    def pools(commands: list[list[str]]) -> dict[str, str]:
        return {
            queue: command[command.index("-P") + 1]
            for command in commands
            for queue in command[command.index("-Q") + 1].split(",")
        }

    workers = [service.command for name, service in ours(required()).items() if name.startswith("worker-")]
    assert pools(workers).keys() == {str(queue) for queue in declared_queues()}
    assert pools(workers) == pools([list(argv) for name, argv in stack.items() if name.startswith("worker-")])


def test_the_web_process_is_that_of_the_stack(stack: dict[str, tuple[str, ...]]) -> None:
    def server(command: list[str]) -> list[str]:
        start = command.index("gunicorn")
        return [command[start + 1], command[command.index("-k") + 1]]

    assert server(ours(required())["web"].command) == server(list(stack["web"]))


# --- The image ---------------------------------------------------------------------------------------------


def instructions(*names: str) -> list[str]:
    joined = re.sub(r"\\\n(?:\s*#.*\n)*", " ", DOCKERFILE)
    return [rest for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name in names]


def ignored(path: str) -> bool:
    """As Docker reads .dockerignore, for files and folders at the top."""
    outcome = False
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        rule = line.strip().removeprefix("!").rstrip("/")
        if rule and not rule.startswith("#") and fnmatch(path, rule):
            outcome = not line.startswith("!")
    return outcome


def test_what_the_image_takes_is_there_and_sent() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.MULTILINE))
    for copied in instructions("COPY"):
        *sources, _ = (word for word in shlex.split(copied) if not word.startswith("--"))
        stage = re.search(r"--from=(\w+)", copied)
        if stage:
            assert stage[1] in stages
            continue
        for source in sources:
            assert (PROJECT / source).exists(), source
            assert source == "." or not ignored(source.rstrip("/")), source
    assert {service["build"]["target"] for service in SERVICES.values() if "build" in service} <= stages


def test_the_image_gets_the_packages_and_nothing_else() -> None:
    assert ". ./" in instructions("COPY")
    sent = {path.name for path in PROJECT.iterdir() if not ignored(path.name)} - {"__pycache__"}
    assert sent == {"manage.py", "requirements.txt", *PACKAGES}, "list what is no package in .dockerignore"


@pytest.mark.parametrize("path", [".env", ".git", ".venv", "var", "tests", "bench", "docs", "dump.sql", ".env.local"])
def test_the_image_is_not_sent(path: str) -> None:
    assert ignored(path)


def test_the_image_ends_as_somebody_without_rights_and_installs_by_hash() -> None:
    assert instructions("USER")[-1].split(":")[0] not in {"root", "0"}
    assert any("--require-hashes" in line for line in instructions("RUN"))
    final = DOCKERFILE.partition(" AS final")[2]
    assert "apt-get" not in final
    assert not re.search(r"^ENV .*SECRET", DOCKERFILE, re.MULTILINE)


def test_the_image_starts_the_web_process_if_nothing_else_is_said() -> None:
    command: Any = json.loads(instructions("CMD")[-1])
    assert command == Service("web", SERVICES["web"]).command
