"""The usual commands work from a shell that has a `.env` and nothing else, in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.db import connection

from events.declare.queues import declared_queues
from orderproject.celery import app
from orderproject.stack.ports import HOST, free_port
from orderproject.stack.processes import PROJECT
from tests.acceptance.shop import Shop, open_shop

BIN = Path(sys.executable).parent
EXAMPLE = (PROJECT / ".env.example").read_text()
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".env", "var", ".*_cache", "__pycache__")
WITHIN = 60.0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files, where a `.env` harms nobody."""
    folder = tmp_path_factory.mktemp("checkout") / "orderproject"
    shutil.copytree(PROJECT, folder, ignore=LEFT_OUT, symlinks=True)
    for parent in (folder, *folder.parents[:2]):  # servers of root run as somebody else, who must be able to pass
        parent.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The servers that a developer runs: PostgreSQL and Valkey of the test run, and a payment sandbox."""
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), "sandbox") as shop:  # type: ignore[attr-defined]
        yield shop


@pytest.fixture
def developing(checkout: Path, shop: Shop) -> Path:
    """`cp .env.example .env`, with the addresses of the developer's servers; as a developer would edit it."""
    database = connection.settings_dict
    login = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    given = {
        "DATABASE_URL": f"postgres://{login}/{database['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "BROKER_URL": settings.BROKER_URL,
        "PAYMENT_GATEWAY_URL": shop.deployment.sandbox_url,
    }
    text = EXAMPLE
    for name, value in given.items():
        text, found = re.subn(rf"^#?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert found == 1, name
    (checkout / ".env").write_text(text)
    return checkout


def shell(**variables: str) -> dict[str, str]:
    """The environment of a shell that knows nothing of the project."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), "LANG": "C.UTF-8", **variables}  # noqa: S108


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder, env=shell(**variables), capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


@contextmanager
def running(folder: Path, *command: str) -> Iterator[Path]:
    """The command, until the block ends; its output is in the file."""
    output = folder.parent / f"{command[0]}-{command[-1].replace(':', '-')}.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=folder, env=shell(PYTHONUNBUFFERED="1"), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield output
        assert process.poll() is None, output.read_text()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answer(url: str) -> tuple[HTTPResponse, str]:
    """Waits until the server listens."""
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            with urlopen(url, timeout=10) as response:
                return response, response.read().decode()
        except URLError as error:
            if time.monotonic() > deadline or not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)


# --- The commands ---------------------------------------------------------------------------------------


def test_a_worker_and_a_relay_bring_an_order_through(developing: Path, shop: Shop):
    """The worker as `celery` starts it when nothing is said: it forks, and serves every queue."""
    with running(developing, "celery", "-A", "orderproject", "worker") as log:
        assert app.send_task("events.prune", ignore_result=False).get(timeout=WITHIN) == 0, log.read_text()
        (served,) = (app.control.inspect(timeout=5).active_queues() or {}).values()
        assert {queue["name"] for queue in served} >= set(declared_queues())
        with running(developing, "python", "manage.py", "relay"):
            shop.stock("SHELL", 5)
            assert shop.places("SHELL").settles(WITHIN) == "confirmed", log.read_text()


def test_runserver_serves_the_admin_with_its_styles_and_the_api(developing: Path):
    port = free_port()
    shop = f"http://{HOST}:{port}"
    with running(developing, "python", "manage.py", "runserver", str(port)):
        assert answer(f"{shop}/livez")[0].status == 200
        response, page = answer(f"{shop}/admin/login/")
        assert response.status == 200
        styles = re.findall(r'<link[^>]+href="([^"]+\.css[^"]*)"', page)
        assert styles
        for style in styles:
            found, text = answer(urljoin(f"{shop}/admin/login/", style))
            assert (found.status, found.headers.get_content_type()) == (200, "text/css"), style
            assert text
        response, page = answer(f"{shop}/api/v1/docs/")
        assert response.status == 200
        (script,) = re.findall(r'<script src="([^"]+swagger-ui-bundle[^"]*)"', page)
        assert answer(urljoin(shop, script))[0].status == 200


def test_the_shell_speaks_to_the_database_of_dotenv(developing: Path, shop: Shop):
    shop.stock("IN-A-SHELL", 1)
    told = run(
        developing, "python", "manage.py", "shell", "-v", "0", "-c",
        "from inventory.models import Product; print(list(Product.objects.values_list('sku', flat=True)))",
    )  # fmt: skip
    assert "IN-A-SHELL" in told.stdout, told.stderr


def test_pytest_needs_no_server_of_the_developers(checkout: Path):
    """It starts its own, and does not touch those that `.env` names: here they do not even exist."""
    (checkout / ".env").write_text(
        EXAMPLE.replace("127.0.0.1:5432", f"{HOST}:9").replace("127.0.0.1:6379", f"{HOST}:9")
    )
    told = run(checkout, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/integration/test_wake.py")
    assert told.returncode == 0, told.stdout + told.stderr
    assert re.search(r"^\d+ passed", told.stdout, re.MULTILINE)
    told = run(checkout, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--collect-only", "tests/unit")
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_a_running_stack_wrote_is_enough_too(checkout: Path, shop: Shop):
    """`. var/stack/environment`; it is complete, so `.env` is not read."""
    (checkout / ".env").write_text("RATE_LIMIT=7\n")
    shop.deployment.data.mkdir(exist_ok=True)
    file = shop.deployment.write_variables()
    show = "from django.conf import settings; print(settings.ENVIRONMENT, settings.RATE_LIMIT)"
    told = subprocess.run(
        ["sh", "-c", f'. "{file}" && exec "$0" manage.py shell -v 0 -c "{show}"', str(BIN / "python")],  # noqa: S607
        cwd=checkout, env=shell(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.stdout.split() == ["test", "60000"], told.stderr


# --- The file -------------------------------------------------------------------------------------------

SHOWN = "s.ENVIRONMENT, s.RELAY_BATCH, s.RATE_LIMIT, s.ALLOWED_HOSTS, s.DEBUG"


def shown(folder: Path, **variables: str) -> str:
    """What the settings say, or the sentence with which they refuse."""
    told = run(folder, "python", "-c", f"from orderproject import settings as s; print({SHOWN})", **variables)
    return told.stdout.strip() or told.stderr.strip().splitlines()[-1]


def test_the_example_is_enough_as_it_is(checkout: Path):
    (checkout / ".env").write_text(EXAMPLE)
    assert shown(checkout) == "development 2000 60000 ['127.0.0.1', 'localhost', 'testserver'] False"


def test_the_environment_has_the_last_word(checkout: Path):
    (checkout / ".env").write_text(f"{EXAMPLE}\nRELAY_BATCH=5\nRATE_LIMIT=5\nDEBUG=true\n")
    told = shown(checkout, RELAY_BATCH="7")
    assert told.startswith("development 7 5 ")
    assert told.endswith(" True")


def test_no_dotenv_changes_what_production_does(checkout: Path):
    """Neither a missing secret nor a setting comes from it."""
    (checkout / ".env").write_text(f"{EXAMPLE}\nSECRET_KEY={'x' * 50}\nDEBUG=true\nRATE_LIMIT=5\n")
    production = {
        "ENVIRONMENT": "production", "ALLOWED_HOSTS": "shop.example", "EMAIL_URL": "smtp://mail.example:25",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0",
        "PAYMENT_GATEWAY_URL": "https://payments.example",
    }  # fmt: skip
    assert "SECRET_KEY is missing" in shown(checkout, **production)
    assert shown(checkout, **production, SECRET_KEY="y" * 50) == "production 2000 60000 ['shop.example'] False"


def test_production_may_be_told_by_dotenv_and_is_as_strict(checkout: Path):
    (checkout / ".env").write_text(EXAMPLE.replace("ENVIRONMENT=development", "ENVIRONMENT=production"))
    assert "SECRET_KEY is missing" in shown(checkout)


def test_development_answers_for_no_other_host(checkout: Path):
    (checkout / ".env").write_text(EXAMPLE.replace("ALLOWED_HOSTS=", "ALLOWED_HOSTS=shop.example"))
    assert "set ENVIRONMENT=production to serve others" in shown(checkout)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_what_is_missing_is_named_with_the_example(checkout: Path, name: str):
    (checkout / ".env").write_text(re.sub(rf"^{name}=.*$", "", EXAMPLE, flags=re.MULTILINE))
    assert shown(checkout).endswith(
        f"{name} is missing: set {name} to the address of a server."
        " See .env.example and docs/howto/work-from-a-shell.md."
    )


def test_without_dotenv_the_first_complaint_names_the_example(checkout: Path):
    (checkout / ".env").unlink(missing_ok=True)
    assert "See .env.example" in shown(checkout)


def test_dotenv_is_never_committed_nor_put_into_an_image():
    assert ".env" in (PROJECT / ".gitignore").read_text().splitlines()
    assert not re.search(r"^COPY .*\.env", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
